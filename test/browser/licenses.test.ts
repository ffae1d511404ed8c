import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

/** Seen from dist/test/browser; made by src/browser/bundle.mjs. */
const text = readFileSync(new URL('../../browser/THIRD_PARTY_LICENSES.txt', import.meta.url), 'utf8');

test.each([
  [/@tensorflow\/tfjs-core \d/, /Apache License\s+Version 2\.0/],
  [/@tensorflow\/tfjs-backend-wasm \d/, /XNNPACK \(BSD-3-Clause\)/],
  [/@bufbuild\/protobuf \d/, /Protocol Buffers \(BSD-3-Clause\)/],
  [/unzipit \d.* \(MIT\)/, /Permission is hereby granted, free of charge/],
  [/seedrandom \d.* \(MIT\)/, /Copyright 2019 David Bau/],
  [/\nlong \d.* \(Apache-2\.0\)/, /Emscripten authors/],
])('the bundle comes with the licence of %s', (name, license) => {
  expect(text).toMatch(name);
  expect(text).toMatch(license);
});

test('names no package that is not bundled', () => {
  expect(text).not.toMatch(/\n(sharp|bullmq|yargs|ioredis) \d/);
});
