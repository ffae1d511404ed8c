import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { commands, convertEntry, evalEntry } from '../../src/cli/commands.js';
import { captureCli } from './captureCli.js';

/** The commands as a user runs them: the built programs, in processes of their own; those that fail, in this one. */

const DIGITS = resolve('examples/digits');
const CHECKPOINT = join(DIGITS, 'deit_digits_distilled.pth');
const programs = {
  deit: resolve('dist/src/cli/deit.js'),
  'deit-eval': resolve('dist/src/cli/deitEval.js'),
  'deit-convert': resolve('dist/converters/cli.js'),
};

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A model runs on WASM, which is everywhere; `auto` takes native TensorFlow where that is installed. */
function onWasm(program: keyof typeof programs, args: readonly string[]): string[] {
  const runsModel = program === 'deit-eval' || ['eval', 'predict'].includes(args[0]!);
  return runsModel ? [...args, '--backend', 'wasm'] : [...args];
}

function run(program: keyof typeof programs, ...args: string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(process.execPath, [programs[program], ...onWasm(program, args)], (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** The same with bytes on stdin. */
function runWithStdin(
  bytes: Uint8Array,
  program: keyof typeof programs,
  ...args: string[]
): Promise<Outcome> {
  return new Promise((done) => {
    const all = [programs[program], ...args, '--backend', 'wasm'];
    const child = execFile(process.execPath, all, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
    child.stdin!.end(bytes);
  });
}

/** The same in this process. */
async function runHere(program: keyof typeof programs, ...args: string[]): Promise<Outcome> {
  const entries = { deit: commands, 'deit-eval': evalEntry, 'deit-convert': convertEntry }[program];
  const { code, out, err } = await captureCli(program, entries, ...onWasm(program, args));
  return { code, stdout: out, stderr: err };
}

/** A run that must fail with one line on stderr, and nothing on stdout. */
async function failure(code: number, program: keyof typeof programs, ...args: string[]): Promise<string> {
  return oneLineOf(await runHere(program, ...args), code, program);
}

function oneLineOf(outcome: Outcome, code: number, program: string): string {
  expect(outcome).toMatchObject({ code, stdout: '' });
  const lines = outcome.stderr.trimEnd().split('\n');
  expect(lines.at(-1)).toMatch(new RegExp(`^${program}: `));
  expect(outcome.stderr).not.toMatch(/\n\s+at /);
  return lines.at(-1)!;
}

const folder = mkdtempSync(join(tmpdir(), 'deit-cli-'));
const at = (name: string) => join(folder, name);
const converted = at('digits');
let report: Outcome;
beforeAll(async () => {
  report = await run('deit-convert', CHECKPOINT, converted, '--labels', join(DIGITS, 'labels.txt'), '--json');
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Line {
  file: string;
  label: number;
  top5: number[];
  logits: number[];
}
const reference = JSON.parse(readFileSync(join(DIGITS, 'reference.json'), 'utf8')) as {
  top1: number;
  top5: number;
  loss: number;
  perImage: Line[];
};

describe('deit-convert', () => {
  test('reports what it did, as one JSON object', () => {
    expect(report).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(report.stdout)).toMatchObject({
      source: CHECKPOINT,
      format: 'zip',
      naming: 'facebook',
      prefix: 'model.',
      parameters: 212_116,
      numHeads: 4,
      mapped: 59,
      outdir: converted,
      dtype: 'float32',
    });
  });

  test('twice gives the same bytes, and a folder of its own is replaced', async () => {
    const files = () =>
      readdirSync(converted).map((name) => [name, readFileSync(join(converted, name), 'base64')]);
    const before = files();
    const again = await run('deit-convert', CHECKPOINT, converted, '--labels', join(DIGITS, 'labels.txt'));
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(
      /^.*deit_digits_distilled\.pth \(zip, 0\.9 MB, facebook naming under "model\."\)\n/,
    );
    expect(files()).toEqual(before);
  });

  test('bad checkpoints: one line, and no output', async () => {
    const bytes = readFileSync(CHECKPOINT);
    writeFileSync(at('text.pth'), 'hello');
    writeFileSync(at('cut.pth'), bytes.subarray(0, 400_000));
    writeFileSync(at('deit_tiny_patch16_224-a1311bcf.pth'), bytes);
    mkdirSync(at('mine'));
    writeFileSync(at('mine/thesis.tex'), 'x');
    const out = at('out');
    const lines = await Promise.all([
      failure(1, 'deit-convert', at('text.pth'), out),
      failure(1, 'deit-convert', at('cut.pth'), out),
      failure(1, 'deit-convert', at('deit_tiny_patch16_224-a1311bcf.pth'), out),
      failure(1, 'deit-convert', at('none.pth'), out),
      failure(1, 'deit-convert', CHECKPOINT, out, '--model', 'deit_tiny_patch16_224'),
      failure(1, 'deit-convert', CHECKPOINT, at('mine')),
    ]);
    expect(lines[0]).toMatch(/text\.pth: expected a PyTorch checkpoint/);
    expect(lines[1]).toMatch(/cut\.pth: a zip archive that cannot be read .* cut short or damaged/);
    expect(lines[2]).toMatch(/SHA-256 should begin with a1311bcf/);
    expect(lines[3]).toMatch(/none\.pth: no such file/);
    expect(lines[4]).toMatch(/is not deit_tiny_patch16_224: patchSize should be 16, the checkpoint has 7/);
    expect(lines[5]).toMatch(/holds files that are no converted model/);
    expect(readdirSync(folder).filter((name) => name.includes('out') || name.includes('partial'))).toEqual(
      [],
    );
    expect(readdirSync(at('mine'))).toEqual(['thesis.tex']);
  });
});

describe('deit eval', () => {
  const val = join(DIGITS, 'val');

  test('PyTorch’s predictions for every digit, by the converted folder and by the checkpoint', async () => {
    const [folderRun, checkpointRun] = await Promise.all([
      run('deit', 'eval', converted, val, '--json', '--predictions', at('p.jsonl'), '--workers', '2'),
      run('deit-eval', CHECKPOINT, val, '--workers', '0', '--threads', '1', '--batch-size', '33'),
    ]);
    const found = JSON.parse(folderRun.stdout);
    expect(found).toMatchObject({
      images: 400,
      failed: 0,
      preset: 'deit',
      backend: 'wasm',
      assumptions: expect.any(Array),
    });
    expect(found.top1).toBeCloseTo(reference.top1, 9);
    expect(found.top5).toBeCloseTo(reference.top5, 9);
    expect(found.loss).toBeCloseTo(reference.loss, 6);
    expect(found.imagesPerSecond).toBeGreaterThan(0);
    expect(folderRun.stderr).toMatch(/400 images, 10 class folders matched by labels; preset deit/);
    const { top1, top5, loss } = reference;
    const figures = `top-1 ${top1.toFixed(3)} %  top-5 ${top5.toFixed(3)} %  loss ${loss.toFixed(4)}  (400 images; `;
    expect(checkpointRun.stdout.slice(0, figures.length)).toBe(figures);

    const lines = readFileSync(at('p.jsonl'), 'utf8').trimEnd().split('\n');
    const predictions = lines.map((line) => JSON.parse(line) as Line);
    expect(predictions.map(({ file }) => file)).toEqual(reference.perImage.map(({ file }) => file));
    for (const [i, { label, top5, logits }] of reference.perImage.entries()) {
      expect(predictions[i]).toMatchObject({ label, top5 });
      for (const [k, logit] of logits.entries()) expect(predictions[i]!.logits[k]).toBeCloseTo(logit, 4);
    }
  });

  test('images that cannot be read are named and counted; --strict stops', async () => {
    mkdirSync(at('some/3'), { recursive: true });
    copyFileSync(join(val, '3/00018.png'), at('some/3/a.png'));
    writeFileSync(at('some/3/b.png'), 'no image');
    mkdirSync(at('none/3'), { recursive: true });
    writeFileSync(at('none/3/b.png'), 'no image');
    const [lenient, strict, none] = await Promise.all([
      run('deit', 'eval', converted, at('some'), '--json'),
      failure(1, 'deit', 'eval', converted, at('some'), '--strict'),
      run('deit', 'eval', converted, at('none'), '--json'),
    ]);
    expect(JSON.parse(lenient.stdout)).toMatchObject({ images: 1, failed: 1, top1: 100 });
    expect(lenient.stderr).toMatch(/not read: .*b\.png: not an image that can be read/);
    expect(strict).toMatch(/b\.png: not an image .*; --strict stops here/);
    expect(none).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/none of its 1 images could be read/),
    });
  });

  test('flat images by a labels file, and folders that do not fit', async () => {
    mkdirSync(at('flat'));
    copyFileSync(join(val, '3/00018.png'), at('flat/my three.png'));
    writeFileSync(at('flat.txt'), 'my three.png 3\n');
    writeFileSync(at('wrong.txt'), 'my three.png 10\n');
    for (let i = 0; i < 11; i++) {
      mkdirSync(at(`many/class${i}`), { recursive: true });
      copyFileSync(join(val, '3/00018.png'), at(`many/class${i}/a.png`));
    }
    mkdirSync(at('empty/0'), { recursive: true });
    const [flat, wrong, many, byOrder, empty, without] = await Promise.all([
      run('deit', 'eval', converted, at('flat'), '--labels', at('flat.txt'), '--json'),
      failure(1, 'deit', 'eval', converted, at('flat'), '--labels', at('wrong.txt')),
      failure(1, 'deit', 'eval', converted, at('many')),
      failure(1, 'deit', 'eval', converted, at('many'), '--classes-by-order'),
      failure(1, 'deit', 'eval', converted, at('empty')),
      failure(1, 'deit', 'eval', converted, at('flat')),
    ]);
    expect(JSON.parse(flat.stdout)).toMatchObject({ images: 1, top1: 100 });
    expect(wrong).toMatch(/wrong\.txt:1: expected "FILE CLASS" with one of 10 classes/);
    expect(many).toMatch(
      /many: the class folders "class0", "class1", "class10" and 8 more are not one of the model's labels/,
    );
    expect(byOrder).toMatch(/there are 11 class folders, the model has 10 classes/);
    expect(empty).toMatch(/no images in it/);
    expect(without).toMatch(/images in a flat folder need a file with their classes: --labels FILE/);
  });
});

test('deit predict: JSON on stdout, or a table', async () => {
  const { file, top5, logits } = reference.perImage[0]!;
  const path = join(DIGITS, 'val', file);
  const [json, table, missing] = await Promise.all([
    run('deit', 'predict', converted, path, '--top-k', '3', '--json'),
    run('deit', 'predict', CHECKPOINT, path),
    failure(1, 'deit', 'predict', converted, at('none.png')),
  ]);
  const [answer] = JSON.parse(json.stdout);
  expect(answer.file).toBe(path);
  expect(answer.topK.map(({ index }: { index: number }) => index)).toEqual(top5.slice(0, 3));
  expect(answer.topK[0]).toMatchObject({ label: '0', probability: expect.any(Number) });
  expect(answer.topK[0].logit).toBeCloseTo(logits[0]!, 4);
  expect(table.stdout).toMatch(/00003\.png\nprobability {2}class {2}index {3}logit\n/);
  expect(missing).toMatch(/none\.png: no such file/);
});

test('deit predict: every image of a list, also one from stdin; one that is missing does not end the others', async () => {
  const some = reference.perImage.filter((_, i) => i % 150 === 0);
  const paths = some.map(({ file }) => join(DIGITS, 'val', file));
  const [list, table, piped] = await Promise.all([
    run('deit', 'predict', converted, paths[0]!, at('none.png'), paths[1]!, paths[2]!, '--json'),
    run('deit', 'predict', converted, at('none.png'), paths[1]!),
    runWithStdin(readFileSync(paths[1]!), 'deit', 'predict', converted, paths[0]!, '-', '--json'),
  ]);
  const answers = JSON.parse(list.stdout) as { file: string; topK?: { index: number }[]; error?: string }[];
  expect(answers.map(({ file }) => file)).toEqual([paths[0], at('none.png'), paths[1], paths[2]]);
  expect(answers.map(({ topK }) => topK?.map(({ index }) => index))).toEqual([
    some[0]!.top5,
    undefined,
    some[1]!.top5,
    some[2]!.top5,
  ]);
  expect(answers[1]!.error).toMatch(/none\.png: no such file/);
  expect(list).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 of 4 images were not classified/) });
  expect(table.stdout.match(/probability/g)).toHaveLength(1);
  expect(table.stderr).toMatch(/not classified: .*none\.png: no such file[\s\S]*1 of 2 images/);
  expect(table.code).toBe(1);
  expect(JSON.parse(piped.stdout).map(({ file }: { file: string }) => file)).toEqual([paths[0], '-']);
  expect(JSON.parse(piped.stdout)[1].topK[0].index).toBe(some[1]!.top5[0]);

  copyFileSync(paths[0]!, at('-dash.png'));
  const dash = await new Promise<string>((done) => {
    const args = ['predict', '--json', '--backend', 'wasm', '--', converted, '-dash.png'];
    execFile(process.execPath, [programs.deit, ...args], { cwd: folder }, (_, stdout) => done(stdout));
  });
  expect(JSON.parse(dash)).toMatchObject([
    { file: '-dash.png', topK: [{ index: some[0]!.top5[0] }, {}, {}, {}, {}] },
  ]);
});

test('deit models and deit summary', async () => {
  const [models, summary, named] = await Promise.all([
    run('deit', 'models', '--json'),
    run('deit', 'summary', converted, '--json'),
    run('deit', 'summary', 'deit-tiny_pt-4xb256_in1k'),
  ]);
  const parameters = JSON.parse(models.stdout).map((model: { parameters: number }) => model.parameters);
  expect(parameters.slice(0, 8)).toEqual([
    5_717_416, 5_910_800, 22_050_664, 22_436_432, 86_567_656, 87_338_192, 86_859_496, 87_630_032,
  ]);
  expect(JSON.parse(summary.stdout)).toMatchObject({ parameters: 212_116, config: { distilled: true } });
  expect(named.stdout).toMatch(
    /^deit_tiny_patch16_224: 224×224 pixels, 1000 classes\n[\s\S]*5,717,416 parameters/,
  );
});

test('deit download: by an alias, from another host; a wrong hash and a model without a file', async () => {
  const server = createServer((_, response) => response.end('not the model')).listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mirror`;
  mkdirSync(at('got'));
  const [got, wrong, unknown, none] = await Promise.all([
    run('deit', 'download', 'deit_3_small_224', '--from', from, '--out', at('got'), '--json'),
    failure(1, 'deit', 'download', 'deit-tiny_pt-4xb256_in1k', '--from', from, '--out', at('got/')),
    failure(1, 'deit', 'download', 'deit_giant'),
    failure(1, 'deit', 'download', 'deit3_huge_patch14_384'),
  ]);
  server.close();
  const path = at('got/deit_3_small_224_1k.pth');
  expect(JSON.parse(got.stdout)).toMatchObject({
    model: 'deit3_small_patch16_224',
    path,
    hashChecked: false,
  });
  expect(wrong).toMatch(
    /deit_tiny_patch16_224-a1311bcf\.pth: SHA-256 should begin with a1311bcf as its name says/,
  );
  expect(unknown).toMatch(/no model is named "deit_giant"; `deit models` lists/);
  expect(none).toMatch(/deit3_huge_patch14_384: no URL of an official checkpoint is known/);
  expect(readdirSync(at('got'))).toEqual(['deit_3_small_224_1k.pth', 'deit_3_small_224_1k.pth.sha256']);
});

describe('usage', () => {
  /** What a program's parser makes of a command line. */
  async function parse(program: string, entries: Parameters<typeof captureCli>[1], ...args: string[]) {
    const { code, out, err } = await captureCli(program, entries, ...args);
    return { code, said: (out + err).trimEnd() };
  }
  const deit = (...args: string[]) => parse('deit', commands, ...args);

  test('an unknown option ends each program with 2', async () => {
    const lines = await Promise.all(
      (
        [
          ['deit', 'eval', converted, '.'],
          ['deit-eval', converted, '.'],
          ['deit-convert', CHECKPOINT, at('out')],
        ] as const
      ).map(async ([program, ...args]) => oneLineOf(await run(program, ...args, '--frobnicate'), 2, program)),
    );
    expect(lines[0]).toBe('deit: Unknown argument: frobnicate; see deit eval --help');
  });

  test.each<string[]>([
    [],
    ['frobnicate'],
    ['eval', 'model'],
    ['eval', 'model', 'val', '--preset', 'none'],
    ['eval', 'model', 'val', '--batch-size', '0'],
    ['eval', 'model', 'val', '--workers', 'many'],
    ['predict', 'model', 'a.png', '--top-k', '1.5'],
    ['predict', 'model', 'a.png', '--backend', 'wasm', '--backend', 'cpu'],
    ['predict', 'model', '-', '-'],
    ['predict', 'model'],
    ['predict', 'model', '--json'],
    ['attention', 'model', 'a.png', 'b.png', '--out', 'c.png'],
    ['attention', 'model', 'a.png', '--out', 'c.png', '--out', 'd.png'],
    ['eval', 'model', 'val', '--workers', '5000'],
    ['eval', 'model', 'val', '--threads', '0'],
    ['eval', 'model', 'val', '--threads', '2', '--queue', 'redis://127.0.0.1'],
    ['eval', 'model', 'val', '--dtype', 'float16', '--queue', 'redis://127.0.0.1'],
    ['predict', 'model', 'a.png', '--dtype', 'int4'],
    ['eval', 'model', 'val', '--backend', 'cuda'],
    ['worker', '--model', 'm', '--data', 'val', '--queue', 'redis://127.0.0.1', '--backend', 'cpu'],
    ['eval', 'model', 'val', '--batch-size', '1000000'],
    ['eval', 'model', 'val', '--labels', 'a.txt', '--classes-by-order'],
    ['worker', '--model', 'model', '--data', 'val'],
    ['models', 'more'],
    ['summary'],
    ['download', 'deit_tiny_patch16_224', '--from', 'ftp://host/'],
  ])('wrong usage: deit %s', async (...args) => {
    const command = ['frobnicate', undefined].includes(args[0]) ? 'deit' : `deit ${args[0]}`;
    expect(await deit(...args)).toEqual({
      code: 2,
      said: expect.stringMatching(new RegExp(`^deit: .*; see ${command} --help$`)),
    });
  });

  test.each([
    ['--dtype', 'int4'],
    ['--img-size', 'wide'],
    ['--img-size', '100000'],
    ['--num-classes', '-1'],
    ['--num-classes', '1000000000'],
    ['--num-heads', '5000'],
    ['--format', 'onnx'],
  ])('wrong usage: deit-convert a b %s %s', async (...args) => {
    const { code, said } = await parse('deit-convert', convertEntry, 'a', 'b', ...args);
    expect(code).toBe(2);
    expect(said).toMatch(new RegExp(`^deit-convert: .*${args[0].slice(2)}.*; see deit-convert --help$`));
  });

  test.each([
    [['predict', 'model', 'a.png', '--backend', 'wsam'], /--backend cannot be wsam; did you mean wasm\?/],
    [['predict', 'model', 'a.png', '--bakend', 'cpu'], /Unknown argument: bakend; did you mean --backend\?/],
    [['predict', 'm', 'a.png', '--class-map', 'b', '--xyz', '1'], /: Unknown arguments: class-map, xyz(;|$)/],
    [['eval', 'model', 'val', '--prediction', 'a'], /did you mean --predictions or/],
    [['train', '--optimizer.lrr', '1'], /did you mean --optimizer\.lr/],
    [['train', '--epochs', '1'], /did you mean --schedule\.epochs/],
    [['predct', 'model', 'a.png'], /did you mean predict\?/],
    [
      ['eval', 'model', 'val', '--preset', 'tim'],
      /--preset cannot be tim; did you mean timm\? there are deit, timm, /,
    ],
    [['summary', 'deit_tinny_patch16_224'], /did you mean the model deit_tiny_patch16_224\?$/],
  ])('a wrong name is told with the nearest one: %j', async (args, message) => {
    const code = args[0] === 'summary' ? 1 : 2; // a path that is not there is no wrong usage
    expect(await deit(...args)).toEqual({ code, said: expect.stringMatching(message) });
  });

  test.each([
    ['-v.jpg', 'v.jpg'],
    ['-h.jpg', 'h.jpg'],
    ['--json.jpg', 'json.jpg'],
    ['--version.jpg', 'version.jpg'],
    ['-dash.jpg', 'dash.jpg'],
  ])('the name of a file is no option: %s', async (file, option) => {
    const folder = process.cwd();
    process.chdir(mkdtempSync(join(tmpdir(), 'deit-dash-')));
    try {
      expect(await deit('predict', 'm', 'a.png', file)).toEqual({
        code: 2,
        said: expect.stringMatching(
          new RegExp(`^deit: Unknown argument: ${option}(; did you mean .*)?; see`),
        ),
      });
      writeFileSync(file, '');
      const hint = `; write ./${file} for the file ${file}, or put it behind --; see deit predict --help`;
      for (const args of [['a.png', file], [file]]) {
        const { code, said } = await deit('predict', 'm', ...args);
        expect([code, said.slice(-hint.length)]).toEqual([2, hint]);
      }
    } finally {
      rmSync(process.cwd(), { recursive: true });
      process.chdir(folder);
    }
  });

  test.each<[string[], string]>([
    [['eval'], '<model> and <val-dir> are missing; expected: eval <model> <val-dir>'],
    [['predict', 'model'], '<images...> is missing; expected: predict <model> <images...>'],
    [['embed', 'model', 'a.png'], '--out is missing'],
    [['worker'], '--model and --data are missing'],
    [
      ['eval', 'm', 'v', '--batch-size', 'abc'],
      '--batch-size must be a whole number from 1 to 1024, and is no number',
    ],
    [
      ['convert', 'a', 'b', '--dtype', 'float15'],
      '--dtype cannot be float15; did you mean float16 or float32? there are float32, float16, uint8',
    ],
  ])('what is missing, or is no choice, is named: %j', async (args, message) => {
    expect(await deit(...args)).toEqual({ code: 2, said: `deit: ${message}; see deit ${args[0]} --help` });
  });

  test.each<[string[], RegExp]>([
    [['eval', 'no-model', '.', '--queue', 'http://x'], /^deit: the queue is no Redis address/],
    [['eval', 'no-model', 'no-val'], /^deit: no-val: no such folder; expected a folder of class folders$/],
    [['eval', 'no-model', '.', '--labels', 'none.txt'], /^deit: none\.txt: cannot be read/],
    [['eval', 'no-model', '.', '--predictions', '.'], /^deit: \.: is a folder, expected the name of a file/],
    [
      ['worker', '--model', 'no-model', '--data', 'none', '--queue', 'redis://x'],
      /^deit: none: no such folder/,
    ],
    [
      ['embed', 'no-model', 'a.png', '--out', 'package.json/a.npy'],
      /package\.json is a file and not a folder/,
    ],
    [['export', 'no-model', '/dev/null/a.safetensors'], /\/dev\/null is a file and not a folder/],
  ])('what is wrong beside the model is told before it is loaded: %j', async (args, message) => {
    expect(await deit(...args)).toEqual({ code: 1, said: expect.stringMatching(message) });
  });

  test('a command’s help is named by the command, not by an argument that is called as another', async () => {
    expect((await deit('predict', 'eval', '--top-k', 'x')).said).toMatch(/; see deit predict --help$/);
  });

  test('a known model that is not there: how to get it', async () => {
    expect((await deit('predict', 'deit_tiny_patch16_224', 'a.png')).said).toMatch(
      /no such file or folder; `deit download deit_tiny_patch16_224` gets the checkpoint of the model of that name$/,
    );
  });

  test('-h and -v; a name with a control character, and one of thousands of letters', async () => {
    expect((await deit('-h')).said).toMatch(/^deit <command>\n/);
    expect((await deit('predict', '-h')).said).toMatch(/^deit predict <model> <images\.\.\.>/);
    expect((await deit('-v')).said).toMatch(/^\d+\.\d+\.\d+$/);
    const url = `data:image/png;base64,${'A'.repeat(5000)}`;
    const { code, said } = await deit('summary', url);
    expect(code).toBe(1);
    expect(said.length).toBeLessThan(400);
    expect(said).toMatch(/^deit: data:image\/png;base64,A+…A+ \(\d+ characters\)/);
    expect((await deit('summary', 'a\u001b[2J\u0007b\nc')).said).toMatch(/^deit: ab c: no such file/);
  });

  test('--help of every command, with examples that can be copied: each on a line of its own', async () => {
    const examplesOf = (said: string) => {
      const [, text] = /(?:^|\n)Examples:\n((?: {2}.*(?:\n|$))+)/.exec(said) ?? [];
      return (text ?? '').trimEnd().split('\n');
    };
    const helps = [
      ...commands.map((entry) => ['deit', commands, entry, `deit ${entry.usage.split(' ')[0]}`] as const),
      ['deit-eval', evalEntry, evalEntry, 'deit-eval'] as const,
      ['deit-convert', convertEntry, convertEntry, 'deit-convert'] as const,
    ];
    for (const [program, entries, entry, name] of helps) {
      const named = program === 'deit' ? [entry.usage.split(' ')[0]!] : [];
      const { code, said } = await parse(program, entries, ...named, '--help');
      expect(code).toBe(0);
      const { examples } = await entry.load();
      expect(examples.length).toBeGreaterThan(0);
      expect(examplesOf(said)).toEqual(
        examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line.replace('$0', name)}`]),
      );
      for (const [line] of examples) {
        expect(line).toContain('$0');
        expect(line.replace('$0', name).length).toBeLessThanOrEqual(78);
      }
    }
  }, 60_000);
});
