/** Calls to a worker and their answers, each pair by a number: for the library's worker and for others like it. */
import { UserError } from '../../errors.js';

/** Functions, elements and what was closed cannot be sent; the browser says which it is. */
function unsendable(method: string, error: Error): Error {
  if (error.name !== 'DataCloneError') return error;
  return new UserError(
    `${method}: its arguments cannot be sent to the worker: ${error.message.split('\n')[0]}`,
    {
      cause: error,
    },
  );
}

/** From the page: a call, or the wish that one be given up. */
export type CallMessage<Name> =
  | { readonly id: number; readonly method: Name; readonly args: readonly unknown[] }
  | { readonly id: number; readonly abort: true };

/** From the worker: how far a call is, and at last its value or its error. */
export type AnswerMessage<Progress extends readonly unknown[], SentError> =
  | { readonly id: number; readonly progress: Progress }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: SentError };

export interface WorkerCallOptions<Progress extends readonly unknown[]> {
  /** Gives the call up: its promise rejects at once. What the worker computes already, it computes to the end. */
  readonly signal?: AbortSignal | undefined;
  /** What is handed over rather than copied. */
  readonly transfer?: Transferable[];
  readonly onProgress?: ((...progress: Progress) => void) | undefined;
}

interface Pending<Progress extends readonly unknown[]> {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly onProgress: WorkerCallOptions<Progress>['onProgress'];
}

/** Functions that a worker has, by name. */
type Functions = Record<string, (...args: never[]) => unknown>;

export class WorkerCalls<Methods extends Functions, Progress extends readonly unknown[], SentError> {
  private readonly pending = new Map<number, Pending<Progress>>();
  private next = 0;
  /** Why no call can be made any more. */
  private ended: Error | undefined;

  /** @param errorOf makes an error of what the worker has sent */
  constructor(
    private readonly worker: Worker,
    private readonly errorOf: (sent: SentError) => Error,
  ) {
    worker.addEventListener('message', ({ data }: MessageEvent<AnswerMessage<Progress, SentError>>) =>
      this.receive(data),
    );
  }

  call<Name extends keyof Methods>(
    method: Name,
    args: readonly unknown[],
    { signal, transfer = [], onProgress }: WorkerCallOptions<Progress> = {},
  ): Promise<ReturnType<Methods[Name]>> {
    if (this.ended) return Promise.reject(this.ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.pending.delete(id);
        this.post({ id, abort: true });
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener('abort', giveUp);
          then(value);
        };
      this.pending.set(id, {
        resolve: settle(resolve as (value: unknown) => void),
        reject: settle(reject),
        onProgress,
      });
      try {
        this.post({ id, method, args }, transfer);
      } catch (error) {
        this.pending.get(id)!.reject(unsendable(String(method), error as Error));
        this.pending.delete(id);
      }
    });
  }

  /** Ends the worker; what waits is told why. */
  end(reason: Error): void {
    this.ended ??= reason;
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
  }

  private post(message: CallMessage<keyof Methods>, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private receive(message: AnswerMessage<Progress, SentError>): void {
    const waiting = this.pending.get(message.id);
    if (!waiting) return;
    if ('progress' in message) {
      waiting.onProgress?.(...message.progress);
      return;
    }
    this.pending.delete(message.id);
    if ('error' in message) waiting.reject(this.errorOf(message.error));
    else waiting.resolve(message.value);
  }
}
