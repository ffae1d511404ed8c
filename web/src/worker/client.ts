/** The page's side of the worker: its methods as promises. */
import { type WorkerCallOptions, WorkerCalls } from '../../../src/browser/worker/calls.js';
import {
  type Description,
  type LoadRequest,
  type MethodName,
  type Methods,
  type ModelData,
  NO_FILES,
  type Progress,
  type SentError,
  type TensorList,
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

export type CallOptions = WorkerCallOptions<Progress>;

export class ModelWorker {
  private readonly calls: WorkerCalls<Methods, Progress, SentError>;

  constructor() {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'model' });
    worker.postMessage({ library: new URL('lib/deit-tfjs.js', document.baseURI).href });
    this.calls = new WorkerCalls(worker, errorOf);
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const [message, about] = event.message
        ? ([`the worker failed: ${event.message}`, 'backend'] as const)
        : ([NO_FILES, 'page'] as const);
      this.end(new WorkerError({ name: 'Error', message, about }));
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
    options?: CallOptions,
  ): Promise<ReturnType<Methods[Name]>> {
    return this.calls.call(method, args, options);
  }

  /** Ends the worker, and with it the model. */
  end(reason: Error = new DOMException('another model is loaded', 'AbortError')): void {
    this.calls.end(reason);
  }
}

function errorOf(error: SentError): Error {
  return error.name === 'AbortError' ? new DOMException(error.message, 'AbortError') : new WorkerError(error);
}
