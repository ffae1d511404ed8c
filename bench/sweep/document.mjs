// docs/models.md from what the sweep found.
import { readFileSync } from 'node:fs';

const VARIANTS = new URL('./variants.md', import.meta.url);

/** Groups of results by a key, in the order of their first member. */
function groupBy(list, keyOf) {
  const groups = new Map();
  for (const item of list) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

const count = (list, way, state) => list.filter((result) => result[way].state === state).length;
const architecture = ({ tag }) => tag.split('.')[0];
/** Sizes and models that differ in size alone make one row: `vit_*_patch16_224` → `vit_base`. */
const familyOf = (result) => architecture(result).replace(/_patch.*$/, '');
const cell = (text) => text.replace(/\|/g, '\\|').replace(/\s+/g, ' ');
const table = (header, rows) =>
  [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** The clause of a refusal that is the same for every file. */
function reason(why) {
  return cell(why.replace(/^(config\.json|model\.safetensors)[^:]*: /, '')).slice(0, 220);
}

const assumed = (list) =>
  [...new Set(list.filter(({ bare }) => bare.assumed).flatMap(({ bare }) => bare.assumed))].sort().join(', ');
const wrong = (list) =>
  [
    ...new Set(list.flatMap(({ bare }) => (bare.differences ?? []).map(({ field }) => field.split(' ')[0]))),
  ].sort();

function familyTable(family) {
  const rows = [...groupBy(family, familyOf)].map(([name, list]) => [
    `${name} (${new Set(list.map(architecture)).size})`,
    list.length,
    count(list, 'told', 'right'),
    count(list, 'told', 'refused'),
    count(list, 'bare', 'right'),
    count(list, 'bare', 'said'),
    count(list, 'bare', 'refused'),
    wrong(list).join(', ') || '–',
  ]);
  const sum = (i) => rows.reduce((total, row) => total + row[i], 0);
  const total = ['**all**', ...[1, 2, 3, 4, 5, 6].map((i) => `**${sum(i)}**`), ''];
  const header = ['architectures', 'tags', 'told: right', 'told: refused', 'bare: right'];
  return table([...header, 'bare: said', 'bare: refused', 'guesses that do not hold'], [...rows, total]);
}

function refusals(list, way, keyOf) {
  const refused = list.filter((result) => result[way].state === 'refused');
  const rows = [...groupBy(refused, keyOf)].map(([name, members]) => [
    name,
    members.length,
    reason(members[0][way].why),
  ]);
  return table(['architecture', 'tags', 'what is said, of the first'], rows);
}

/** The text of docs/models.md. */
export function document(timm, family, others) {
  return `# Which models convert

Made by \`bench/sweep\`: \`tags.py\` (Python with timm, without any weights) writes the shapes and facts of every pretrained
tag of timm ${timm}; \`node bench/sweep/sweep.mjs TAGS.json --docs docs/models.md\` converts each by the package and compares
network (heads, epsilon, activation, pooling, norms, prefix tokens and their positions, patch, input size, depth, width, classes) and preprocessing
(resize, filter, crop, mean, std) with timm's, field by field. Values of weights are not part of it;
[checkpoints.md](checkpoints.md) has the tests that compare outputs.

- **told**: timm's folder, config.json beside the weights.
- **bare**: the weights alone. Shapes do not tell heads, epsilon, activation or preprocessing, so these are assumed, and
  every assumption is said: in the report, on stderr, as \`model.assumptions\`. *said* means that some assumption does not
  hold for the tag, and that it was listed; options (\`--num-heads\`, \`--preset\`, \`--pool\` …) or \`--model NAME\` mend it.
- **silent** would be a difference that no assumption names: told ${count(family, 'told', 'silent')}, bare ${count(family, 'bare', 'silent')}.

## timm's vision_transformer and deit: ${family.length} tags

${familyTable(family)}

Assumed of bare files, if nothing in the file tells: ${assumed(family)}.

### Refused

With its folder:

${refusals(family, 'told', familyOf)}

As a bare file:

${refusals(family, 'bare', familyOf)}

## Relatives: ${others.length} tags, of which ${count(others, 'told', 'refused')} are refused with their folder and ${count(others, 'bare', 'refused')} as bare files

With its folder; one message of each module:

${refusals(others, 'told', ({ module }) => module)}

As a bare file; one message of each module:

${refusals(others, 'bare', ({ module }) => module)}

${readFileSync(VARIANTS, 'utf8')}`;
}
