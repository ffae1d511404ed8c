/** What load takes in Node, opened as the source of a model. */
import { fileURLToPath } from 'node:url';
import { countParameters } from '../families/vit/flops.js';
import {
  type Build,
  checkLoadOptions,
  conversionOptions,
  type LoadOptions,
  loadSource,
  type ModelSource,
} from '../models/loadSource.js';
import { isOnHub } from './hub/environment.js';
import { type HubSettings, openModel } from './openModel.js';
import { loadSharp } from './sharp.js';

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
  const buildIt: Build<Model> = (opened, rest) => {
    loadDecoderFor(opened);
    return build(opened, rest);
  };
  if (path === undefined) return loadSource(source, options, buildIt);
  const { signal } = options;
  const opened = await openModel(path, conversionOptions(options), { ...hub, ...(signal && { signal }) });
  try {
    return await buildIt(opened.source, options);
  } finally {
    await opened.close();
  }
}

/** Weights that are read in less time than sharp takes to load. */
const FEW_WEIGHTS = 10 ** 6;

/**
 * Begins to load sharp while a model's weights are read: it holds up the event loop for some 25 ms, which the first image
 * would do otherwise. Programs with a small model may be about small images of formats that need no sharp.
 */
function loadDecoderFor({ config }: ModelSource): void {
  if (countParameters(config) > FEW_WEIGHTS) loadSharp().catch(() => {}); // told where an image is read
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
