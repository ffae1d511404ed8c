import { join } from 'node:path';
import { checkArguments } from '../../checkArguments.js';
import { modelPaths } from '../../models/openFiles.js';
import { hubCacheFolder } from './cache.js';
import { type NodeHubOptions, openHub } from './openHub.js';

/** A model of the hub whose files are there. */
export interface DownloadedModel {
  /** What opens it: the name on the hub, or the folder or file that was asked for. */
  readonly model: string;
  /** `OWNER/NAME`. */
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  /** Where the files are: the folder that was asked for, else the cache. */
  readonly folder: string;
  /** Paths beside each other as the model's folder on the hub has them, sizes in bytes. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Bytes of all of them. */
  readonly bytes: number;
  /** What was assumed, a line each. */
  readonly notes: readonly string[];
}

/**
 * Brings the files of a model on the hub into the cache, or into the option `folder`: its weights and what describes them,
 * no other frameworks' copies. What is there already is not downloaded again; what was cut off goes on where it was.
 *
 * @throws UserError as openHub does, and if the folder holds no model
 */
export async function downloadModel(name: string, options: NodeHubOptions = {}): Promise<DownloadedModel> {
  checkArguments('downloadModel', { name: ['text', name], options: ['fields', options] });
  const hub = await openHub(name, options);
  try {
    const files: { path: string; bytes: number }[] = [];
    for (const path of await modelPaths(hub)) files.push({ path, bytes: (await hub.open(path)).size });
    const { repo, revision, commit, notes, chosen } = hub;
    const inner = hub.path === undefined ? [] : hub.path.split('/');
    const { folder } = options;
    return {
      model: folder === undefined ? name : join(folder, ...inner, ...(chosen === undefined ? [] : [chosen])),
      repo,
      revision,
      commit,
      folder: folder ?? hubCacheFolder(options.cacheDir),
      files,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      notes,
    };
  } finally {
    await hub.close();
  }
}
