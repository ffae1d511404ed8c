/** Starts contenders in processes of their own, and asks them to run. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How long a contender has to end: onnxruntime-node at times waits for its own threads for ever. */
const EXIT_MS = 5000;

const path = (file) => fileURLToPath(new URL(file, import.meta.url));

/** What limits the threads of native TensorFlow and of what numerical libraries use. */
function threadLimits(threads) {
  const count = String(threads);
  return { TF_NUM_INTRAOP_THREADS: count, TF_NUM_INTEROP_THREADS: count, OMP_NUM_THREADS: count };
}

/**
 * @param options module or python, folder, name, size, threads, …, as lib/child.mjs and contenders/pytorch.py take them
 * @returns its load and peak, ask(batch, runs) and end()
 * @throws Error with what the contender said, if it does not open
 */
export async function startChild(options) {
  const argument = JSON.stringify(options);
  const [command, args] = options.python
    ? [options.python, [path('../contenders/pytorch.py'), argument]]
    : [process.execPath, ['--no-warnings', path('./child.mjs'), argument]];
  const env = { ...process.env, ...threadLimits(options.threads), TF_CPP_MIN_LOG_LEVEL: '2' };
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
  let complaints = '';
  child.stderr.on('data', (text) => {
    complaints = (complaints + text).slice(-4000);
  });
  child.stdin.on('error', () => {}); // its end is noticed by the answer that is missing
  const exited = new Promise((resolve) => child.on('close', resolve));
  child.on('error', ({ message }) => {
    complaints = message;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) {
      await exited;
      throw new Error(complaints.trim().split('\n').at(-1) || 'ended without a word');
    }
    return JSON.parse(value);
  };
  const first = await next();
  if (first.error) throw new Error(first.error);
  return {
    ...first,
    ask(batch, runs) {
      child.stdin.write(`${JSON.stringify({ batch, runs })}\n`);
      return next();
    },
    async end() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
