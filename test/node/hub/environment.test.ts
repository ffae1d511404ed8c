import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  cacheFolder,
  findToken,
  hubEndpoint,
  huggingFaceCacheFolder,
  isOffline,
} from '../../../src/node/hub/environment.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-environment-'));
  writeFileSync(join(folder, 'token'), ' hf_file\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the cache folder on each platform', () => {
  expect(cacheFolder({ DEIT_CACHE: 'x' }, 'win32')).toBe(resolve('x'));
  expect(cacheFolder({}, 'linux')).toBe(join(homedir(), '.cache/deit-tfjs'));
  expect(cacheFolder({ XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/deit-tfjs');
  expect(cacheFolder({}, 'darwin')).toBe(join(homedir(), 'Library/Caches/deit-tfjs'));
  expect(cacheFolder({ LOCALAPPDATA: '/local' }, 'win32')).toBe('/local/deit-tfjs');
});

test("the cache of Hugging Face's own libraries", () => {
  expect(huggingFaceCacheFolder({})).toBe(join(homedir(), '.cache/huggingface/hub'));
  expect(huggingFaceCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/huggingface/hub');
  expect(huggingFaceCacheFolder({ XDG_CACHE_HOME: '/c', HF_HOME: '/h' })).toBe('/h/hub');
  expect(huggingFaceCacheFolder({ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' })).toBe('/old');
  expect(huggingFaceCacheFolder({ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' })).toBe('/new');
});

test('address and offline mode', () => {
  expect(hubEndpoint({})).toBe('https://huggingface.co');
  expect(hubEndpoint({ HF_ENDPOINT: 'https://mirror.example/' })).toBe('https://mirror.example');
  expect(() => hubEndpoint({ HF_ENDPOINT: 'mirror' })).toThrow(/^HF_ENDPOINT: expected an http/);
  for (const value of ['1', 'ON', 'yes', 'True']) {
    expect(isOffline({ HF_HUB_OFFLINE: value })).toBe(true);
    expect(isOffline({ DEIT_OFFLINE: value })).toBe(true);
  }
  for (const value of ['', '0', 'no', undefined]) expect(isOffline({ HF_HUB_OFFLINE: value })).toBe(false);
});

test('the token', async () => {
  const HF_HOME = folder;
  expect(await findToken({ HF_HOME, HF_TOKEN: 'hf_env' })).toEqual({
    token: 'hf_env',
    tokenSource: 'HF_TOKEN',
  });
  const file = { token: 'hf_file', tokenSource: join(folder, 'token') };
  expect(await findToken({ HF_HOME, HF_TOKEN: ' ' })).toEqual(file);
  expect(await findToken({ HF_HOME: '/nowhere', HF_TOKEN_PATH: join(folder, 'token') })).toEqual(file);
  expect(await findToken({ HF_HOME, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).toBeUndefined();
  expect(await findToken({ HF_HOME: '/nowhere' })).toBeUndefined();
});
