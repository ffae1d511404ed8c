/** The page's side of the worker: its methods as promises. */
import type {
  Description,
  FromWorker,
  LoadRequest,
  MethodName,
  Methods,
  ModelData,
  SentError,
  TensorList,
  ToWorker,
} from './protocol.js';

/** An error of the worker, with what it is about. */
export class WorkerError extends Error {
  readonly about: SentError['about'];

  constructor({ name, message, about }: SentError) {
    super(message);
    this.name = name;
    this.about = about;
  }
}

interface Pending {
  resolve(value: never): void;
  reject(error: Error): void;
  onProgress?: Progress;
}

type Progress = (fraction: number, loaded: number, total: number) => void;

export interface CallOptions {
  /** Gives the call up: its promise rejects at once. */
  readonly signal?: AbortSignal;
  readonly transfer?: Transferable[];
  readonly onProgress?: Progress;
}

export class ModelWorker {
  private readonly worker = new Worker(new URL('./worker.ts', import.meta.url), {
    type: 'module',
    name: 'model',
  });
  private readonly pending = new Map<number, Pending>();
  private next = 0;
  private ended: Error | undefined;

  constructor() {
    this.post({ library: new URL('lib/deit-tfjs.js', document.baseURI).href });
    this.worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => this.receive(data));
    this.worker.addEventListener('error', (event) => {
      event.preventDefault();
      const what = event.message || 'its script cannot be loaded';
      this.end(new WorkerError({ name: 'Error', message: `the worker failed: ${what}`, about: 'backend' }));
    });
  }

  load(data: ModelData, request: LoadRequest, options: CallOptions): Promise<Description> {
    return this.call('load', [data, request], options);
  }

  /** The tensors of a file that need not be a model; their histograms can be asked for then. */
  inspect(file: File): Promise<TensorList> {
    return this.call('inspect', [file]);
  }

  call<Name extends MethodName>(
    method: Name,
    args: Parameters<Methods[Name]>,
    { signal, transfer = [], onProgress }: CallOptions = {},
  ): Promise<ReturnType<Methods[Name]>> {
    if (this.ended) return Promise.reject(this.ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as Pending['resolve'], reject, onProgress });
      signal?.addEventListener(
        'abort',
        () => {
          if (!this.pending.delete(id)) return;
          this.post({ id, abort: true });
          reject(signal.reason);
        },
        { once: true },
      );
      this.post({ id, method, args }, transfer);
    });
  }

  /** Ends the worker, and with it the model. */
  end(reason: Error = new DOMException('another model is loaded', 'AbortError')): void {
    this.ended ??= reason;
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private receive(message: FromWorker): void {
    const waiting = this.pending.get(message.id);
    if (!waiting) return;
    if ('progress' in message) {
      waiting.onProgress?.(...message.progress);
      return;
    }
    this.pending.delete(message.id);
    if ('error' in message) waiting.reject(errorOf(message.error));
    else waiting.resolve(message.value as never);
  }
}

function errorOf(error: SentError): Error {
  return error.name === 'AbortError' ? new DOMException(error.message, 'AbortError') : new WorkerError(error);
}
