import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { print, printJson, say } from '../../src/cli/print.js';
import { formatTable } from '../../src/cli/table.js';

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  for (const method of ['log', 'error'] as const) {
    jest.spyOn(console, method).mockImplementation((text) => void said.push(String(text)));
  }
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('labels, file names and the words of others reach the terminal without control characters', () => {
  const label = '\u001b]0;owned\u0007\u001b[2Jcat\r\n\u009b31m\u202egod';
  print(formatTable(['class', 'logit'], [[label, '1.5']]));
  say(`not read: a\u001b[1Ab.png: ${label}`);
  printJson({ label });
  expect(said[0]!.split('\n')).toEqual(['class    logit', '-------  -----', 'cat god    1.5']);
  expect(said[1]).toBe('not read: ab.png: cat god');
  expect(JSON.parse(said[2]!)).toEqual({ label });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(said.join('').replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test('a data: URL is told by its beginning, end and length', () => {
  say(`data:image/png;base64,${'A'.repeat(1e6)}: no such file`);
  expect(said[0]!.length).toBeLessThan(200);
  expect(said[0]).toMatch(/^data:image\/png;base64,A+…A+ \(1000022 characters\): no such file$/);
});

describe('on a terminal', () => {
  const streams = ['stdout', 'stderr'] as const;
  const before = streams.map((name) => Object.getOwnPropertyDescriptors(process[name]));
  const pretend = (columns: number, colors: boolean) => {
    for (const name of streams) {
      Object.defineProperties(process[name], {
        isTTY: { value: true, configurable: true },
        columns: { value: columns, configurable: true },
        hasColors: { value: () => colors, configurable: true },
      });
    }
  };
  afterEach(() => {
    for (const [i, name] of streams.entries()) {
      for (const key of ['isTTY', 'columns', 'hasColors'] as const) {
        const old = before[i]![key];
        if (old) Object.defineProperty(process[name], key, old);
        else delete (process[name] as unknown as Record<string, unknown>)[key];
      }
    }
  });

  const passedOver =
    'backend passed over: webgpu: WebGPU finds no GPU; on Linux it needs the driver’s Vulkan part and libvulkan.so.1';

  test.each([80, 40, 25])('a long line is broken at its spaces to fit %i columns', (columns) => {
    pretend(columns, false);
    say(passedOver);
    const lines = said[0]!.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines.slice(1).every((line) => /^ {2}\S/.test(line))).toBe(true);
    expect(lines.map((line) => line.trim()).join(' ')).toBe(passedOver);
  });

  test('what follows stands below the second column', () => {
    pretend(40, false);
    print('  assumed    activation gelu: what facebookresearch/deit has by default\n  written    out');
    expect(said[0]).toBe(
      [
        '  assumed    activation gelu: what',
        '             facebookresearch/deit has',
        '             by default',
        '  written    out',
      ].join('\n'),
    );
  });

  test('a tone is a colour on each line, and nothing where there is no colour', () => {
    pretend(20, true);
    say('no such file: somewhere', 'error');
    expect(said[0]).toBe('\x1b[31mno such file:\x1b[39m\n\x1b[31m  somewhere\x1b[39m');
    pretend(20, false);
    say('no such file: somewhere', 'error');
    expect(said[1]).toBe('no such file:\n  somewhere');
  });
});
