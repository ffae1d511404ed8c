import type { ByteSource } from '../../converters/formats/types.js';
import type { HubFile, Listing } from './listing.js';

/** A listing that was kept. */
export interface KeptListing {
  readonly listing: Listing;
  /** When the hub was asked, as ISO 8601; undefined if that is not known. */
  readonly checked?: string;
  /** Whether the listing has every file of the commit; another program may have kept some only. */
  readonly isComplete: boolean;
  /** Whether a file is known not to be there; asked only of a listing that is not complete. */
  isKnownAbsent?(path: string): Promise<boolean>;
}

/** The beginning of a file on its way. */
export interface PartialContent {
  /** Bytes that are there. */
  readonly size: number;
  /** Empties it. */
  restart(): Promise<void>;
  /** Puts bytes behind those that are there. */
  append(bytes: Uint8Array): Promise<void>;
  /** All bytes that are there, in order. */
  content(): AsyncIterable<Uint8Array>;
}

export type OpenSource = ByteSource & { close?(): Promise<void> };

/** Where files of the hub are kept: a cache on the disk, in a browser, or in memory. Contents go by their hash. */
export interface HubStore {
  /** What is known of a revision without asking the hub. */
  readListing(repo: string, revision: string): Promise<KeptListing | undefined>;
  /** Keeps what the hub said; a store that cannot write does nothing. */
  keepListing(repo: string, revision: string, listing: Listing): Promise<void>;
  /** The file, if it is there whole. */
  find(repo: string, commit: string, file: HubFile): Promise<OpenSource | undefined>;
  /**
   * Keeps a file. `fill` puts all bytes into what there is of it, and resolves once they are known to be right; only then
   * does the file count as whole. If it throws, what is there stays for a later run.
   */
  receive(
    repo: string,
    commit: string,
    file: HubFile,
    fill: (partial: PartialContent) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<OpenSource>;
}

/** The name under which a store keeps a file's content: its hash, else the place that it has in its commit. */
export function contentKey(commit: string, { path, hash }: HubFile): string {
  return hash?.hex ?? `${commit}-${encodeURIComponent(path).replaceAll('*', '%2A')}`;
}
