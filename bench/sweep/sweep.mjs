// node bench/sweep/sweep.mjs TAGS.json [--docs docs/models.md] : each pretrained tag of timm through the converter
//
// TAGS.json is what tags.py writes. Each tag is converted twice: as timm's folder (config.json beside the weights) and as
// a bare file, of which the shapes alone are known. What comes out is compared with timm's facts, field by field.
import { readFileSync, writeFileSync } from 'node:fs';
import { convertRead, convertWithFacts } from '../../dist/converters/convertWithFacts.js';
import { readFolder } from '../../dist/converters/folders/readFolder.js';
import { parseCheckpoint } from '../../dist/converters/formats/index.js';
import { UserError } from '../../dist/src/errors.js';
import { document } from './document.mjs';

/** A safetensors file of zeros: the header alone exists. */
function source(shapes) {
  let offset = 0;
  const header = { __metadata__: { format: 'pt' } };
  for (const [name, shape] of Object.entries(shapes)) {
    const size = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + size] };
    offset += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + text.length);
  new DataView(start.buffer).setBigUint64(0, BigInt(text.length), true);
  start.set(text, 8);
  const read = async (from, length) => {
    const bytes = new Uint8Array(length);
    bytes.set(start.subarray(from, Math.min(from + length, start.length)));
    return bytes;
  };
  return { name: 'model.safetensors', size: start.length + offset, read };
}

const folder = ({ shapes, config }) => ({
  name: 'folder',
  notes: [],
  list: async () => ['config.json', 'model.safetensors'],
  readText: async (path) => (path === 'config.json' ? JSON.stringify(config) : undefined),
  open: async () => source(shapes),
  close: async () => {},
});

const near = (a, b) => a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-6);
const pair = (value) => (typeof value === 'number' ? [value, value] : value);

/** Fields of the network that are not timm's, with the name of the assumption that says so. */
function networkDifferences(config, facts) {
  const prefix = (config.classToken === false ? 0 : 1) + (config.distilled ? 1 : 0) + (config.registers ?? 0);
  const pool = { token: 'token', mean: 'avg', map: 'map' }[config.pool ?? 'token'] ?? config.pool;
  const rows = [
    ['numHeads', config.numHeads, facts.numHeads],
    ['layerNormEps', config.layerNormEps, facts.layerNormEps],
    ['layerNormEps', config.layerNormEps, facts.finalEps],
    ['activation', config.swiglu ? 'silu' : (config.activation ?? 'gelu'), facts.activation],
    ['pool', pool, facts.pool],
    ['prefix', prefix, facts.prefix],
    ['preNorm', config.preNorm ?? false, facts.preNorm],
    ['finalNorm', config.finalNorm ?? true, facts.finalNorm],
    ['fcNorm', config.fcNorm ?? false, facts.fcNorm],
    // Without prefix tokens both ways are the same; of a class token alone nothing else is pooled.
    ...(prefix > 0 ? [['posEmbedPrefix', config.posEmbedPrefix, facts.posEmbedPrefix]] : []),
    ...(prefix > 0 && pool !== 'token' ? [['poolPrefix', config.poolPrefix ?? false, facts.poolPrefix]] : []),
    ['patchSize', String(pair(config.patchSize)), String(facts.patch)],
    ['imgSize', String(config.imgSize), String(facts.imgSize)],
    ['depth', config.depth, facts.depth],
    ['embedDim', config.embedDim, facts.width],
    ['numClasses', config.numClasses, facts.classes],
  ];
  return rows.filter(([, have, want]) => have !== want).map(([field, have, want]) => ({ field, have, want }));
}

/** Steps of the preprocessing that are not timm's. */
function preprocessingDifferences({ mean, std, crop, resize, interpolation: filter = 'bicubic' }, timm) {
  const same = (a, b) => Object.keys(b).every((key) => a[key] === b[key]);
  const rows = [
    ['mean', mean, timm.mean, near(mean, timm.mean)],
    ['std', std, timm.std, near(std, timm.std)],
    ['crop', crop, timm.crop, String(crop) === String(timm.crop)],
    ['resize', resize, timm.resize, same(resize, timm.resize)],
    ['interpolation', filter, timm.interpolation, filter === timm.interpolation],
  ];
  return rows
    .filter(([, , , right]) => !right)
    .map(([field, h, want]) => ({ field: `preprocessing ${field}`, have: h, want }));
}

async function outcome(row, run) {
  let made;
  try {
    made = await run();
  } catch (error) {
    if (!(error instanceof UserError)) return { state: 'crash', why: /** @type {Error} */ (error).stack };
    return { state: 'refused', why: error.message };
  }
  const assumed = made.assumptions.map(({ field }) => field);
  if (!row.facts) return { state: 'silent', why: 'another kind of model was converted', assumed };
  const differences = [
    ...networkDifferences(made.config, row.facts),
    ...preprocessingDifferences(made.preprocessing, row.pipeline),
  ];
  const said = ({ field }) => assumed.includes(field.split(' ')[0]);
  const state = differences.length === 0 ? 'right' : differences.every(said) ? 'said' : 'silent';
  return { state, differences, assumed, config: made.config, why: JSON.stringify(differences) };
}

const [file, flag, target] = process.argv.slice(2);
const { timm, rows } = JSON.parse(readFileSync(file, 'utf8'));
const results = [];
for (const row of rows) {
  const told = await outcome(row, async () => convertRead(await readFolder(folder(row))));
  const bare = await outcome(row, async () => convertWithFacts(await parseCheckpoint(source(row.shapes))));
  results.push({ module: row.module, tag: row.tag, told, bare });
}

const family = results.filter(({ module }) => module === 'vision_transformer' || module === 'deit');
const others = results.filter((result) => !family.includes(result));
const count = (list, way) => {
  const counts = {};
  for (const result of list) counts[result[way].state] = (counts[result[way].state] ?? 0) + 1;
  return JSON.stringify(counts);
};
console.log(`timm ${timm}: family ${family.length} tags, others ${others.length}`);
console.log(`family, told ${count(family, 'told')}, bare ${count(family, 'bare')}`);
console.log(`others, told ${count(others, 'told')}, bare ${count(others, 'bare')}`);
const bad = (state) => state === 'silent' || state === 'crash';
for (const { tag, told, bare } of results) {
  if (bad(told.state) || told.state === 'said') console.log(`told ${told.state} ${tag}: ${told.why}`);
  if (bad(bare.state)) console.log(`bare ${bare.state} ${tag}: ${bare.why}; assumed ${bare.assumed}`);
}
if (flag === '--docs') writeFileSync(target, document(timm, family, others));
process.exitCode = results.some(({ told, bare }) => bad(told.state) || bad(bare.state)) ? 1 : 0;
