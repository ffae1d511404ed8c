/**
 * Every block of TypeScript and JavaScript in README.md, CONTRIBUTING.md and docs/: compiled against the package, and run
 * where nothing has to be downloaded for it.
 *
 * A comment before a block, `<!-- example: ENTRY; DECLARATIONS -->`, says what the text around it has told: the entry that
 * `deit` is imported from, for a block that imports nothing, and the names that it does not make itself.
 */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BUNDLER, NODE, ProgramFolder } from './program.js';

interface Example {
  readonly document: string;
  readonly line: number;
  /** The block with what its comment declares before it. */
  readonly source: string;
  readonly options: object;
}

const BLOCK =
  /(?:^<!-- example: ([^;]*?)(?:; ([\s\S]*?))? -->\n+)?^```(?:ts|js|typescript|javascript)\n([\s\S]*?)^```/gm;

function examplesOf(document: string): Example[] {
  const text = readFileSync(document, 'utf8');
  return [...text.matchAll(BLOCK)].map(({ 0: all, 1: entry, 2: declarations = '', 3: code = '', index }) => {
    const imports = entry ? `import * as deit from '${entry}';\n` : '';
    const before = `${imports}${declarations}\n`;
    return {
      document,
      line: text.slice(0, index + all.indexOf('```')).split('\n').length,
      source: `${before}${code}\nexport {};\n`,
      options: /deit-tfjs\/node/.test(before + code) ? NODE : BUNDLER,
    };
  });
}

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const examples = documents.flatMap(examplesOf);

const folder = new ProgramFolder();
afterAll(() => folder.remove());

test('a block that does not fit the API is seen', async () => {
  expect(await folder.compile("import * as deit from 'deit-tfjs/node';\ndeit.laod('a');", NODE)).toMatch(
    /TS2339/,
  );
});

test.each(examples)('$document, line $line compiles', async ({ source, options }) => {
  expect(await folder.compile(source, options)).toBe('');
});

/** The only block of a document that has a text. */
function exampleWith(document: string, text: string): string {
  const found = examples.filter((example) => example.document === document && example.source.includes(text));
  expect(found).toHaveLength(1);
  return found[0]!.source;
}

/** Compiles and runs a block, declarations taken for values that `values` gives. */
async function runExample(source: string, values: string, after: string): Promise<string[]> {
  const program = `${source.replace(/^declare const .*$/gm, '').replace('export {};', '')}\n${after}`;
  const imports = [...program.matchAll(/^import .*$/gm)].map(([line]) => line).join('\n');
  const rest = program.replace(/^import .*$/gm, '');
  expect(await folder.compile(`${imports}\n${values}\n${rest}`, NODE)).toBe('');
  return folder.run();
}

describe('run', () => {
  beforeAll(async () => {
    const digits = 'examples/digits/val';
    const folders = readdirSync(digits).sort();
    const imageOf = (name: string) => {
      const file = readdirSync(join(digits, name)).sort()[0]!;
      return join(digits, name, file);
    };
    copyFileSync(imageOf(folders[0]!), join(folder.path, 'cat.jpg'));
    copyFileSync(imageOf(folders[1]!), join(folder.path, 'dog.jpg'));
    copyFileSync(
      'examples/digits/deit_digits_distilled.pth',
      join(folder.path, 'deit_small_patch16_224.pth'),
    );
    const made = await folder.compile(
      `import { writeFile } from 'node:fs/promises';
       import * as deit from 'deit-tfjs/node';
       const model = deit.createModel('deit_tiny_distilled_patch16_224');
       await deit.saveModel(model, 'deit-tiny-distilled');
       await writeFile('deit_tiny.pth', await deit.exportStateDict(model));`,
      NODE,
    );
    expect(made).toBe('');
    await folder.run();
  });

  test('README: classify, embed, predict, convert', async () => {
    const lines = await runExample(
      exampleWith('README.md', "deit.load('deit-tiny-distilled')"),
      '',
      'console.log(cat!.length, dog!.length, classToken!.length, patchMean.length, tokens.shape, attention!.length, config.imgSize, report.model);',
    );
    expect(lines.filter((line) => line.includes('%'))).toHaveLength(3);
    expect(lines.at(-1)).toBe(
      '1000 1000 192 192 [ 1, 198, 192 ] 12 [ 384, 384 ] deit_tiny_distilled_patch16_384',
    );
  });

  test('README: a model is trained, saved and loaded', async () => {
    const after = 'console.log(loaded.config.embedDim);';
    const lines = await runExample(exampleWith('README.md', 'layersModel.fit('), '', after);
    expect(lines.at(-1)).toBe('48');
  });

  test('docs/training.md: heads for classes of your own', async () => {
    const lines = await runExample(
      exampleWith('docs/training.md', 'deit.trainHead('),
      `import { createWriteStream } from 'node:fs';
       const files = ['cat.jpg', 'dog.jpg'];
       const labels = [0, 1];
       const output = createWriteStream('own.safetensors');`,
      `await new Promise((resolve) => output.end(resolve));
       const own = await deit.load('own.safetensors');
       console.log(own.labels, (await own.classify(files)).map(([best]) => best!.label));`,
    );
    expect(lines.at(-1)).toBe("[ 'cat', 'dog' ] [ 'cat', 'dog' ]");
  });
});
