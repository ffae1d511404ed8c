/** The page's worker: one model, and the image that it looked at last. One call after the other. */
import { type Deit, ModelHost } from './modelHost.js';
import {
  type FromWorker,
  type MethodName,
  type Methods,
  NO_FILES,
  type SentError,
  type ToWorker,
} from './protocol.js';

interface Scope {
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as Scope;
const aborts = new Map<number, AbortController>();
let library: Promise<Deit>;
let host: ModelHost | undefined;
let queue: Promise<unknown> = Promise.resolve();

scope.addEventListener('message', ({ data }) => {
  if ('library' in data) {
    library = import(/* @vite-ignore */ data.library).catch((cause: Error) => {
      const about: SentError['about'] = 'page';
      throw Object.assign(new Error(`${NO_FILES} (${cause.message})`, { cause }), { about });
    });
    library.catch(() => {}); // the first call tells
    return;
  }
  if ('abort' in data) {
    aborts.get(data.id)?.abort(new DOMException('given up', 'AbortError'));
    return;
  }
  const abort = new AbortController();
  aborts.set(data.id, abort);
  queue = queue.then(() => answer(data, abort.signal));
});

async function answer(
  { id, method, args }: Extract<ToWorker, { method: string }>,
  signal: AbortSignal,
): Promise<void> {
  const send = (message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer);
  try {
    signal.throwIfAborted();
    const value = await run(method, args, signal, (...progress) => send({ id, progress }));
    send({ id, value }, transferable(value));
  } catch (error) {
    send({ id, error: describe(error as Error) });
  } finally {
    aborts.delete(id);
  }
}

async function run(
  method: MethodName,
  args: readonly unknown[],
  signal: AbortSignal,
  onProgress: (fraction: number, loaded: number, total: number) => void,
): Promise<unknown> {
  if (method === 'load') {
    const [data, options] = args as Parameters<ModelHost['load']>;
    host = new ModelHost(await library);
    return host.load(data, options, signal, onProgress);
  }
  if (method === 'inspect') {
    const [file] = args as Parameters<Methods['inspect']>;
    host ??= new ModelHost(await library);
    return host.inspect(file);
  }
  if (!host) throw new Error('the worker has no model yet');
  const onTrained = (fraction: number) => onProgress(fraction, 0, 0);
  if (method === 'train') return host.train(...(args as Parameters<Methods['train']>), signal, onTrained);
  return (host[method] as (...args: readonly unknown[]) => unknown).apply(host, [...args]);
}

function describe(error: Error & { about?: SentError['about'] }): SentError {
  const lost = /\bbackend (lost|gave no result)/.test(error.message);
  return { name: error.name, message: error.message, about: error.about ?? (lost ? 'backend' : 'input') };
}

/** What is handed over rather than copied: memory and bitmaps. */
function transferable(value: unknown, found = new Set<Transferable>()): Transferable[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (value instanceof ImageBitmap) {
    found.add(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) transferable(each, found);
  }
  return [...found];
}
