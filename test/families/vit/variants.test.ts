/**
 * The table "What works for which variant" of docs/models.md: every cell is computed, and what is refused is refused in one
 * line. `DEIT_WRITE_VARIANTS=1` writes the table; what is not installed (XLA, native TensorFlow) keeps its column.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../../src/errors.js';
import '../../../src/node/index.js';
import { showNativeTensorflow, testedNativeFolder } from '../../native.js';
import { showXla, testedXlaFolder } from '../../xla.js';
import { COLUMNS, NATIVE_COLUMNS, XLA_COLUMNS } from './variantCells.js';
import { END, START, tableIn, VARIANTS, variantOf } from './variants.js';

jest.setTimeout(120_000);
showNativeTensorflow();
showXla();

/** The document, and the part of it that bench/sweep puts there. */
const DOCUMENTS = ['docs/models.md', 'bench/sweep/variants.md'];
const WRITES = process.env.DEIT_WRITE_VARIANTS === '1';
const available = {
  ...COLUMNS,
  ...(testedNativeFolder ? NATIVE_COLUMNS : {}),
  ...(testedXlaFolder ? XLA_COLUMNS : {}),
};
const HEADER = [...Object.keys(COLUMNS), ...Object.keys(NATIVE_COLUMNS), ...Object.keys(XLA_COLUMNS)];

/** What a cell says of a refusal: the message without the model's name, and without the way out. */
const refusal = (message: string) =>
  `no: ${message
    .replace(/^variant: /, '')
    .split('; ')[0]!
    .replace(/\|/g, '\\|')}`;

const found = new Map<string, Map<string, string>>();

describe.each(Object.keys(VARIANTS))('%s', (name) => {
  const row = new Map<string, string>();
  found.set(name, row);
  const variant = variantOf(name);
  afterAll(() => tf.disposeVariables());

  test.each(Object.keys(available))('%s', async (column) => {
    const error = await available[column]!(variant).catch((reason: unknown) => reason);
    if (error !== undefined && !(error instanceof UserError)) throw error;
    if (error) expect(error.message).toMatch(/^variant: [^\n]+$/);
    row.set(column, error ? refusal(error.message) : 'yes');
    if (!WRITES) expect(row.get(column)).toBe(tableIn(DOCUMENTS[0]!).get(name)?.get(column));
  });
});

test('the documents have these rows and columns, and the same table', () => {
  if (WRITES) for (const path of DOCUMENTS) writeTable(path);
  const tables = DOCUMENTS.map(tableIn);
  expect([...tables[0]!.keys()]).toEqual(Object.keys(VARIANTS));
  for (const row of tables[0]!.values()) expect([...row.keys()]).toEqual(HEADER);
  expect(tables[1]).toEqual(tables[0]);
});

function writeTable(path: string): void {
  const before = tableIn(path);
  const rows = [...found].map(([name, row]) => [
    name,
    ...HEADER.map((column) => row.get(column) ?? before.get(name)?.get(column) ?? '–'),
  ]);
  const lines = [['variant', ...HEADER], ['---', ...HEADER.map(() => '---')], ...rows];
  const table = lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const text = readFileSync(path, 'utf8');
  const [head, rest] = text.split(`${START}\n`);
  const [, tail] = rest!.split(END);
  writeFileSync(path, `${head}${START}\n${table}\n\n${END}${tail}`);
}
