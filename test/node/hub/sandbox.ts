/** A hub on 127.0.0.1, and caches and a home of its own for each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HubFolder } from '../../../src/hub/hubFolder.js';
import { type NodeHubOptions, openHub } from '../../../src/node/hub/openHub.js';
import { type HubServer, pattern, type ServedFile, type ServedRepo, startHub } from '../../hub/hubServer.js';

export const COMMIT = 'a'.repeat(40);
export const OLD_COMMIT = 'b'.repeat(40);
export const CONFIG = '{"hidden_size":1}';
export const WEIGHTS = pattern(300_000);

const VIT: ServedRepo = {
  commit: COMMIT,
  revisions: { v1: OLD_COMMIT, 'feature/x': OLD_COMMIT },
  files: {
    'config.json': { bytes: new TextEncoder().encode(CONFIG) },
    'model.safetensors': { bytes: WEIGHTS },
    'empty.txt': { bytes: new Uint8Array(0) },
    'sub/a b.bin': { bytes: pattern(10, 201) },
  },
};
const VARIABLES = [
  'DEIT_CACHE',
  'DEIT_OFFLINE',
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
  'HF_HUB_OFFLINE',
  'HF_TOKEN',
  'HF_TOKEN_PATH',
  'HUGGINGFACE_HUB_CACHE',
  'HUGGING_FACE_HUB_TOKEN',
];

export interface Sandbox {
  readonly hub: HubServer;
  /** Folder of all that follows, emptied before each test. */
  readonly root: string;
  readonly cacheDir: string;
  /** The environment of a child process. */
  env(): NodeJS.ProcessEnv;
  add(repo: string, files: Record<string, ServedFile>, more?: Partial<ServedRepo>): void;
  open(name: string, options?: NodeHubOptions): Promise<HubFolder>;
  reset(): void;
  close(): Promise<void>;
}

export async function startSandbox(): Promise<Sandbox> {
  const hub = await startHub({});
  const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  const root = mkdtempSync(join(tmpdir(), 'deit-hub-'));
  const cacheDir = join(root, 'cache');
  return {
    hub,
    root,
    cacheDir,
    env: () => ({ ...process.env }),
    add: (repo, files, more) => {
      hub.repos[repo] = { commit: COMMIT, files, ...more };
    },
    open: (name, options) => openHub(name, { pauses: [1, 1, 1], ...options }),
    reset() {
      rmSync(root, { recursive: true, force: true });
      for (const name of VARIABLES) delete process.env[name];
      process.env.DEIT_CACHE = cacheDir;
      process.env.HF_HOME = join(root, 'hf');
      process.env.HF_ENDPOINT = hub.endpoint;
      for (const name of Object.keys(hub.repos)) delete hub.repos[name];
      hub.repos['google/vit'] = VIT;
      hub.seen.length = 0;
      hub.faults.length = 0;
      hub.cdnFaults.length = 0;
      hub.bare = false;
    },
    async close() {
      await hub.close();
      rmSync(root, { recursive: true, force: true });
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    },
  };
}
