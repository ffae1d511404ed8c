import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, jest, test } from '@jest/globals';
import { formatTable, wrap } from '../../src/cli/table.js';
import { duration, fitLine, terminalBar } from '../../src/cli/terminalBar.js';
import { recentMean } from '../../src/cli/trainProgress.js';

describe('a progress bar', () => {
  const parts = [
    { text: 'epoch 12', keep: 2 },
    { text: 'loss 1.2345', keep: 4 },
    { text: 'lr 1.00e-3', keep: 1 },
    { text: '1234 images/s', keep: 5 },
    { text: '1:23:45 left', keep: 6 },
  ];

  test.each([200, 100, 80, 60, 50])('fits %i columns, rate and time left in view', (columns) => {
    const line = fitLine('train', 0.5, parts, columns);
    expect(line.length).toBeLessThan(columns);
    expect(line).toContain('50%');
    expect(line).toContain('1234 images/s');
    expect(line).toContain('1:23:45 left');
  });

  test('grows with the room, to a most', () => {
    expect(fitLine('eval', 0.5, [], 30)).toBe(`eval [${'='.repeat(9)}${'-'.repeat(9)}] 50%`);
    expect(fitLine('eval', 1, [], 500)).toBe(`eval [${'='.repeat(40)}] 100%`);
  });

  test('draws over its line at most ten times a second, and leaves nothing behind', () => {
    const written: string[] = [];
    const write = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
    jest.useFakeTimers({ now: 0 });
    try {
      const bar = terminalBar(8, 2, (fraction, value) => `${fraction} ${value}`);
      bar.update(3);
      jest.advanceTimersByTime(99);
      expect(written).toHaveLength(2);
      bar.update(4);
      jest.advanceTimersByTime(1);
      // Later: of steps that come together the last one is drawn.
      jest.advanceTimersByTime(1000);
      bar.update(5);
      bar.update(6);
      jest.advanceTimersByTime(0);
      bar.update(7);
      bar.stop();
      jest.advanceTimersByTime(1000);
    } finally {
      write.mockRestore();
      jest.useRealTimers();
    }
    const drawn = ['\r0.25 2\x1b[K', '\r0.5 4\x1b[K', '\r0.75 6\x1b[K'];
    expect(written).toEqual(['\x1b[?25l', ...drawn, '\r\x1b[K\x1b[?25h']);
  });

  test('what is least important goes first', () => {
    expect(fitLine('train', 0, parts, 75)).not.toContain('lr');
    expect(fitLine('train', 0, parts, 200)).toContain('lr');
  });

  test('the rate is that of the steps so far, and then of the newest', () => {
    const mean = recentMean();
    expect([4, 2, 3].map((value) => mean.add(value))).toEqual([4, 3, 3]);
    mean.restart();
    expect(mean.add(1)).toBe(1);
    let last = 0;
    for (let i = 0; i < 200; i++) last = mean.add(5);
    expect(last).toBeCloseTo(5, 2);
  });

  test('seconds as people write them', () => {
    expect([59, 61, 3723].map(duration)).toEqual(['0:59', '1:01', '1:02:03']);
  });
});

describe('a table', () => {
  const header = ['model', 'parameters', 'top-1', 'also called'];
  const rows = [
    [
      'deit_tiny_patch16_224',
      '5,717,416',
      '72.20',
      'vit_deit_tiny_patch16_224, deit_tiny_patch16_224.fb_in1k',
    ],
    ['deit_small', '22,050,664', '–', ''],
  ];

  test('has its columns side by side where they fit', () => {
    const lines = formatTable(header, rows, 200).split('\n');
    expect(lines.length).toBe(4);
    expect(lines[3]).toBe('deit_small             22,050,664      –');
  });

  test.each([80, 60, 40])('fits %i columns and loses nothing', (columns) => {
    const text = formatTable(header, rows, columns);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
    const words = text.replace(/\s+/g, ' ');
    expect(words).toContain('also called vit_deit_tiny_patch16_224, deit_tiny_patch16_224.fb_in1k');
    for (const figure of ['5,717,416', '72.20', '22,050,664']) expect(words).toContain(figure);
  });

  test('text breaks at spaces, a figure not from its sign', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('top-1 99.250 % of', 12)).toEqual(['top-1', '99.250 % of']);
  });
});

/** util-linux' script runs a command in a pseudo-terminal. */
const SCRIPT = '/usr/bin/script';
const describeOnTerminal =
  process.platform === 'linux' && existsSync(SCRIPT)
    ? describe
    : (title: string, tests: () => void) =>
        describe.skip(`${title}: SKIPPED, there is no ${SCRIPT} of util-linux (Debian: bsdutils)`, tests);

describeOnTerminal('the commands on a terminal', () => {
  const deit = `${process.execPath} dist/src/cli/deit.js`;
  const checkpoint = 'examples/digits/deit_digits_distilled.pth';

  /** What is written to a terminal of so many columns. */
  async function written(
    command: string,
    columns: number,
    env: Record<string, string> = {},
  ): Promise<string> {
    const { stdout } = await promisify(execFile)(
      SCRIPT,
      ['-qec', `stty cols ${columns}; ${command}`, '/dev/null'],
      { env: { PATH: process.env.PATH, TERM: 'xterm-256color', ...env } },
    );
    return stdout;
  }

  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const linesOf = (text: string) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]+/);

  test.each([
    ['eval', `${deit} eval ${checkpoint} examples/digits/val --backend wasm`, 80],
    ['eval', `${deit} eval ${checkpoint} examples/digits/val --backend wasm`, 60],
    ['predict', `${deit} predict ${checkpoint} examples/digits/val/3/00018.png --backend wasm`, 50],
    ['models', `${deit} models`, 60],
    ['inspect', `${deit} inspect ${checkpoint}`, 60],
    ['help', `${deit} eval --help`, 80],
  ])('%s fits: %s (%i columns)', async (_, command, columns) => {
    const lines = linesOf(await written(command, columns));
    // A word may be longer than the terminal is wide: an address, a path.
    expect(lines.filter((line) => line.length > columns && /\S\s+\S/.test(line.trim()))).toEqual([]);
  });

  test('colour says what failed and what the result is, and NO_COLOR and a dumb terminal keep it away', async () => {
    const command = `${deit} predict nothing.pth nothing.png || true`;
    expect(await written(command, 80)).toContain('\x1b[31mdeit: ');
    expect(await written(command, 80, { NO_COLOR: '1' })).not.toContain('\x1b[3');
    expect(await written(command, 80, { TERM: 'dumb' })).not.toContain('\x1b[3');
  });
});
