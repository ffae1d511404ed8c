import { execFile } from 'node:child_process';
import { expect, test } from '@jest/globals';

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Exit code, signal and output of a process that calls exit(3) while a timer keeps it alive for a minute. */
function ended(before: string): Promise<{ code: unknown; signal: unknown; stdout: string; ms: number }> {
  const program = `
    const { withDeadline } = await import(${url('../../src/node/deadline.js')});
    const { exit } = await import(${url('../../src/cli/exit.js')});
    const timer = setTimeout(() => {}, 60_000);
    ${before}
    console.log('result');
    await exit(3);
  `;
  const started = performance.now();
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', program], (error, stdout) => {
      const ms = performance.now() - started;
      resolve({ code: error?.code, signal: error?.signal, stdout, ms });
    });
  });
}

test('leaves an exit code for when the process is done', async () => {
  expect(await ended('timer.unref();')).toMatchObject({ code: 3, signal: null, stdout: 'result\n' });
}, 60_000);

test('is not held for long by what is still open, e.g. a connection to a server that is gone', async () => {
  const { code, stdout, ms } = await ended('');
  expect({ code, stdout }).toEqual({ code: 3, stdout: 'result\n' });
  expect(ms).toBeLessThan(30_000);
}, 60_000);

test('does not wait for work that was given up', async () => {
  const late = `await withDeadline(new Promise(() => {}), 10, () => new Error('late')).catch(() => {});`;
  const { code, signal, stdout, ms } = await ended(late);
  expect(stdout).toBe('result\n');
  expect(ms).toBeLessThan(30_000);
  if ('execve' in process) expect(code).toBe(3);
  else expect(signal).toBe('SIGKILL');
}, 60_000);
