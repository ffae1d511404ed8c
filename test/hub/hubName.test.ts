import { describe, expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { formatHubName, isHubName, parseEndpoint, parseHubName } from '../../src/hub/hubName.js';

const VIT = 'google/vit-base-patch16-224';

describe('names', () => {
  test.each([
    [`hf:${VIT}`, { repo: VIT }],
    [`hf://${VIT}`, { repo: VIT }],
    ['hf:timm/vit_small_patch14_dinov2.lvd142m', { repo: 'timm/vit_small_patch14_dinov2.lvd142m' }],
    [`hf:${VIT}@v1.0`, { repo: VIT, revision: 'v1.0' }],
    [`hf:${VIT}@refs/pr/12`, { repo: VIT, revision: 'refs/pr/12' }],
    [`hf:${VIT}@refs/pr/12/sub/a.bin`, { repo: VIT, revision: 'refs/pr/12', path: 'sub/a.bin' }],
    [`hf:${VIT}@feature%2Fx/a.bin`, { repo: VIT, revision: 'feature/x', path: 'a.bin' }],
    [`hf:${VIT}/sub/a.safetensors`, { repo: VIT, path: 'sub/a.safetensors' }],
    [`hf:${VIT}/a@b.bin`, { repo: VIT, path: 'a@b.bin' }],
    [`https://huggingface.co/${VIT}`, { repo: VIT }],
    [`https://huggingface.co/${VIT}/`, { repo: VIT }],
    [`https://hf.co/${VIT}/tree/main`, { repo: VIT, revision: 'main' }],
    [
      `https://huggingface.co/${VIT}/resolve/main/sub/a%20b.bin?download=true`,
      { repo: VIT, revision: 'main', path: 'sub/a b.bin' },
    ],
    [
      `https://huggingface.co/${VIT}/blob/refs%2Fpr%2F3/config.json`,
      {
        repo: VIT,
        revision: 'refs/pr/3',
        path: 'config.json',
      },
    ],
  ])('%s', (text, parsed) => {
    expect(isHubName(text)).toBe(true);
    expect(parseHubName(text)).toEqual(parsed);
    expect(parseHubName(formatHubName(parsed))).toEqual(parsed);
  });

  test("the endpoint's own addresses", () => {
    const endpoint = 'http://127.0.0.1:8080/hub';
    expect(isHubName(`${endpoint}/${VIT}`)).toBe(false);
    expect(isHubName(`${endpoint}/${VIT}`, endpoint)).toBe(true);
    expect(isHubName(`${endpoint}ble/${VIT}`, endpoint)).toBe(false);
    expect(isHubName(`http://127.0.0.1:8080/${VIT}`, 'http://127.0.0.1:8080')).toBe(true);
    expect(parseHubName(`${endpoint}/${VIT}/tree/v2/sub`, endpoint)).toEqual({
      repo: VIT,
      revision: 'v2',
      path: 'sub',
    });
  });

  test.each([
    'model.pth',
    './hf',
    'C:\\hf\\x',
    'https://example.com/a/b',
    'hfx:a/b',
    'http://[',
    '',
  ])('%s is none', (text) => expect(isHubName(text)).toBe(false));

  test.each([
    ['hf:', /expected hf:OWNER\/NAME/],
    ['hf:gpt2', /expected hf:OWNER\/NAME/],
    ['hf:a/b@', /expected hf:OWNER\/NAME/],
    ['hf:a/b@main/', /is not a path of a file/],
    ['hf:../b', /cannot be OWNER\/NAME/],
    ['hf:a/..', /cannot be OWNER\/NAME/],
    ['hf:a/b--c', /cannot be OWNER\/NAME/],
    ['hf:a/b.git', /cannot be OWNER\/NAME/],
    ['hf:a/-b', /cannot be OWNER\/NAME/],
    ['hf:a/b c', /cannot be OWNER\/NAME/],
    ['hf:a/b\n', /cannot be OWNER\/NAME/],
    [`hf:a/${'b'.repeat(97)}`, /cannot be OWNER\/NAME/],
    ['hf:a/b/../../etc/passwd', /is not a path of a file/],
    ['hf:a/b/x\\y', /is not a path of a file/],
    ['hf:a/b@..%2F..', /cannot be a revision/],
    ['hf:a/b@x%00', /cannot be a revision/],
    ['hf:a/b@-x', /cannot be a revision/],
    ['hf:a/b@%zz', /has a % that starts no encoded character/],
    ['https://huggingface.co/datasets/a/b', /is not the page of a model/],
    ['https://huggingface.co/spaces/a/b', /is not the page of a model/],
    ['https://huggingface.co/google', /cannot be OWNER\/NAME/],
    ['https://huggingface.co/a/b/discussions/1', /is not the address of a model's files/],
    ['https://huggingface.co/a/b/resolve/main/..%2F..%2Fx', /is not a path of a file/],
  ])('%j is refused in one line', (text, message) => {
    const parse = () => parseHubName(text);
    expect(parse).toThrow(UserError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/\n/);
  });

  test('addresses of hubs', () => {
    expect(parseEndpoint('https://hub.example/x//')).toBe('https://hub.example/x');
    for (const bad of ['hub.example', 'file:///x', 'https://a/?x', 'https://u:p@a/', ''])
      expect(() => parseEndpoint(bad)).toThrow(/^HF_ENDPOINT: expected an http\(s\) URL/);
  });
});
