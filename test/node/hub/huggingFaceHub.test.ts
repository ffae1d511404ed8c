/**
 * Hugging Face's own Python library against the same test server and its cache: the server behaves as that library
 * expects of the hub, and what it keeps is read here. Needs Python with huggingface_hub (pip install huggingface_hub),
 * its path in DEIT_PYTHON.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gitSha1, sha256 } from '../../hub/hubServer.js';
import { COMMIT, CONFIG, type Sandbox, startSandbox, WEIGHTS } from './sandbox.js';

const python = process.env.DEIT_PYTHON;
const title = python
  ? "Hugging Face's own library"
  : "Hugging Face's own library: SKIPPED, set DEIT_PYTHON to a Python with huggingface_hub";

const SCRIPT = `
import json
from huggingface_hub import hf_hub_download, model_info
from huggingface_hub.utils import EntryNotFoundError
hf_hub_download('google/vit', 'model.safetensors')
hf_hub_download('google/vit', 'config.json')
try:
    hf_hub_download('google/vit', 'preprocessor_config.json')
except EntryNotFoundError:
    pass
info = model_info('google/vit', files_metadata=True)
files = [[s.rfilename, s.size, s.lfs.sha256 if s.lfs else s.blob_id] for s in info.siblings]
print(json.dumps([info.sha, files]))
`;

(python ? describe : describe.skip)(title, () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox();
    sandbox.reset();
  });
  afterAll(() => sandbox.close());

  test('downloads from the server, and its cache serves offline', async () => {
    const env = { ...sandbox.env(), HF_HUB_DISABLE_XET: '1', HF_HUB_DISABLE_TELEMETRY: '1' };
    const { stdout } = await promisify(execFile)(python!, ['-c', SCRIPT], { env });
    expect(JSON.parse(stdout)).toEqual([
      COMMIT,
      expect.arrayContaining([
        ['config.json', CONFIG.length, gitSha1(new TextEncoder().encode(CONFIG))],
        ['model.safetensors', WEIGHTS.length, sha256(WEIGHTS)],
      ]),
    ]);
    const blobs = join(process.env.HF_HOME!, 'hub/models--google--vit/blobs');
    expect(readdirSync(blobs).sort()).toEqual(
      [sha256(WEIGHTS), gitSha1(new TextEncoder().encode(CONFIG))].sort(),
    );
    sandbox.hub.seen.length = 0;
    const folder = await sandbox.open('hf:google/vit', { offline: true });
    expect(folder.commit).toBe(COMMIT);
    expect(await folder.readText('config.json')).toBe(CONFIG);
    const source = await folder.open('model.safetensors');
    expect(sha256(await source.read(0, source.size))).toBe(sha256(WEIGHTS));
    expect(await folder.readText('preprocessor_config.json')).toBeUndefined();
    expect(folder.notes).toEqual([]);
    expect(await folder.readText('other.json')).toBeUndefined();
    expect(folder.notes).toHaveLength(1);
    expect(sandbox.hub.seen).toEqual([]);
    await folder.close();
  });
});
