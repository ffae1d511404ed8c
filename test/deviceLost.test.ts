import { expect, jest, test } from '@jest/globals';
import { type CommandEntry, defineCommand } from '../src/cli/command.js';
import { runCli } from '../src/cli/runCli.js';
import { checkBackend, DeviceLost, isLost, watchBackend, whileThere } from '../src/deviceLost.js';

/** What a command that ends with this error says. */
async function said(error: Error): Promise<string> {
  const lines: string[] = [];
  const printed = jest.spyOn(console, 'error').mockImplementation((line) => void lines.push(line));
  try {
    const handler = () => Promise.reject(error);
    const load = () => defineCommand({ builder: (yargs) => yargs, examples: [], handler });
    const entries: CommandEntry[] = [{ usage: 'go', describe: 'goes', load }];
    expect(await runCli('deit', entries, ['go'])).toBe(1);
  } finally {
    printed.mockRestore();
  }
  return lines.join('').replace(/\s+/g, ' '); // a terminal has it folded
}

async function lossOf(name: string, reason: string): Promise<DeviceLost> {
  watchBackend(name)(reason);
  expect(isLost(name)).toBe(true);
  return (await whileThere(new Promise(() => {}), name).catch((error) => error)) as DeviceLost;
}

test('a lost device: the weights are gone; a program loads again, a command runs again', async () => {
  const lost = await lossOf('gone', 'device was reset');
  expect(lost).toBeInstanceOf(DeviceLost);
  expect(lost.message).toBe(
    'the gone backend lost its GPU (device was reset), and the model’s weights with it; load the model again',
  );
  expect(() => checkBackend('gone')).toThrow(lost);
  expect(await said(lost)).toMatch(
    /deit: the gone backend lost its GPU \(device was reset\); run the command again, or with another --backend\s*$/,
  );
});

test('one whose memory was full wants smaller batches', async () => {
  const lost = await lossOf('full', 'out of memory: vkAllocateMemory failed');
  expect(lost.message).toMatch(/; load the model again, and give it smaller batches$/);
  expect(await said(lost)).toMatch(
    /\(out of memory: .*\); run the command in smaller batches, or with another --backend\s*$/,
  );
});
