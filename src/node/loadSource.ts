/** What load takes in Node, opened as the source of a model. */
import { fileURLToPath } from 'node:url';
import {
  type Build,
  checkLoadOptions,
  conversionOptions,
  type LoadOptions,
  loadSource,
} from '../models/loadSource.js';
import { isOnHub } from './hub/environment.js';
import { type HubSettings, openModel } from './openModel.js';

/** What load takes in Node. */
export interface NodeLoadOptions extends LoadOptions {
  /** Of a name on the hub: token, revision, endpoint, offline, cache, and the progress of its downloads; see openHub. */
  hub?: Omit<HubSettings, 'signal'>;
}

/** A path, an address, a name on the hub (`hf:OWNER/NAME`), or the bytes of a checkpoint. */
export type NodeModelSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/**
 * Opens what load takes in Node, and has `build` make the model.
 *
 * @throws UserError if it is nothing of it, or it cannot be read
 */
export async function loadNodeSource<Model>(
  source: NodeModelSource,
  given: NodeLoadOptions,
  build: Build<Model>,
): Promise<Model> {
  checkLoadOptions(given, { hub: 'object' });
  const { hub, ...options } = given;
  const path = pathOf(source);
  if (path === undefined) return loadSource(source, options, build);
  const { signal } = options;
  const opened = await openModel(path, conversionOptions(options), { ...hub, ...(signal && { signal }) });
  try {
    return await build(opened.source, options);
  } finally {
    await opened.close();
  }
}

/** Whether a source is a path or a name on the hub. */
export function isNearby(source: NodeModelSource): boolean {
  return pathOf(source) !== undefined;
}

/** The path or name on the hub that a source is, if it is one. */
function pathOf(source: NodeModelSource): string | undefined {
  if (typeof source !== 'string' && !(source instanceof URL)) return undefined;
  const address = String(source);
  if (isOnHub(address)) return address;
  if (/^file:/i.test(address)) return fileURLToPath(address);
  return /^(https?:\/\/|blob:|data:)/i.test(address) ? undefined : address;
}
