/** Calls that wait for an engine: those that come together form batches, and none waits for all of a long one. */
import { UserError } from '../../errors.js';

/** Images that wait, at most: what they hold of memory has to have an end. */
const MOST_WAITING = 16_384;

/** Images of one call. */
export interface Call {
  readonly images: Float32Array;
  readonly batch: number;
  /** Images whose work has been begun, and done. */
  begun: number;
  done: number;
  readonly output: Float32Array;
  readonly resolve: (output: Float32Array) => void;
  readonly reject: (reason: unknown) => void;
  ended: boolean;
}

/** Some images of a call. */
export interface Part {
  readonly call: Call;
  readonly first: number;
  readonly count: number;
}

export interface QueueOptions {
  /** Most images at once. */
  readonly most: number;
  /** Floats of an image, and of a row of the output. */
  readonly imageSize: number;
  readonly width: number;
  /** Computes parts and writes their rows into their calls' outputs. */
  readonly run: (parts: readonly Part[]) => Promise<void>;
  /** Ends the current run: all its callers have aborted. */
  readonly stop: () => void;
}

export class CallQueue {
  private readonly waiting: Call[] = [];
  private running: readonly Part[] = [];
  private started = false;
  private closed: UserError | undefined;

  constructor(private readonly options: QueueOptions) {}

  /** As WasmEngine.run. */
  add(images: Float32Array, batch: number, signal?: AbortSignal): Promise<Float32Array> {
    if (this.closed) return Promise.reject(this.closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const waiting = this.waiting.reduce((sum, call) => sum + call.batch - call.begun, 0);
    if (waiting > 0 && waiting + batch > MOST_WAITING) {
      const message = `${waiting} images wait for this model already, and at most ${MOST_WAITING} may: wait for answers before you ask again`;
      return Promise.reject(new UserError(message));
    }
    return new Promise((resolve, reject) => {
      const output = new Float32Array(batch * this.options.width);
      const call: Call = { images, batch, begun: 0, done: 0, output, resolve, reject, ended: false };
      const abort = () => this.end(call, signal!.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const settled = () => signal?.removeEventListener('abort', abort);
      Object.assign(call, {
        resolve: (value: Float32Array) => {
          settled();
          resolve(value);
        },
        reject: (reason: unknown) => {
          settled();
          reject(reason);
        },
      });
      if (batch === 0) return call.resolve(output);
      this.waiting.push(call);
      this.start();
    });
  }

  /** Ends every call with `reason`. */
  close(reason: UserError): void {
    this.closed = reason;
    const calls = new Set([...this.waiting, ...this.running.map(({ call }) => call)]);
    for (const call of calls) this.end(call, reason);
  }

  /** Once the calls of this turn of the event loop have come. */
  private start(): void {
    if (this.started) return;
    this.started = true;
    queueMicrotask(() => this.drain());
  }

  private async drain(): Promise<void> {
    for (let parts = this.next(); parts.length > 0; parts = this.next()) {
      this.running = parts;
      try {
        await this.options.run(parts);
        for (const { call, count } of parts) {
          call.done += count;
          if (call.done === call.batch && !call.ended) {
            call.ended = true;
            call.resolve(call.output);
          }
        }
      } catch (error) {
        for (const { call } of parts) this.end(call, error);
      }
      this.running = [];
    }
    this.started = false;
  }

  /** As many images as fit, in equal shares of the calls that wait; the call after the last one served is next. */
  private next(): Part[] {
    const parts: Part[] = [];
    let room = this.options.most;
    for (let left = this.waiting.length; left > 0 && room > 0; left--) {
      const call = this.waiting.shift()!;
      const count = Math.min(Math.ceil(room / left), call.batch - call.begun);
      parts.push({ call, first: call.begun, count });
      call.begun += count;
      room -= count;
      if (call.begun < call.batch) this.waiting.push(call);
    }
    return parts;
  }

  private end(call: Call, reason: unknown): void {
    if (call.ended) return;
    call.ended = true;
    const at = this.waiting.indexOf(call);
    if (at >= 0) this.waiting.splice(at, 1);
    call.reject(reason);
    if (this.running.length > 0 && this.running.every((part) => part.call.ended)) this.options.stop();
  }
}
