/**
 * Dawn's binding for Node learns from nobody that the GPU is done: while a promise of it is pending it asks again by
 * globalThis.setImmediate, which keeps a core at work (src/dawn/node/binding/AsyncRunner.cpp, crbug.com/dawn/1127). Here
 * it asks so at first, and then by timers.
 */

/** Methods whose promises Dawn keeps by asking. */
const ASKING: Readonly<Record<string, readonly string[]>> = {
  GPU: ['requestAdapter'],
  GPUAdapter: ['requestDevice'],
  GPUDevice: ['createComputePipelineAsync', 'createRenderPipelineAsync', 'popErrorScope'],
  GPUQueue: ['onSubmittedWorkDone'],
  GPUBuffer: ['mapAsync'],
  GPUShaderModule: ['getCompilationInfo'],
};

/** How long a timer of 1 ms takes at most where nothing else runs: Windows' clock ticks every 15.6 ms. */
const TIMER_MS = process.platform === 'win32' ? 16 : 1.2;
/** As long as that would be more than a tenth of the waiting, it is asked at once. */
const AT_ONCE_MS = 10 * TIMER_MS;

type Method = (this: unknown, ...given: unknown[]) => unknown;
type Run = (...given: unknown[]) => void;

const PATCHED = Symbol.for('deit-tfjs.gentlePolling');

/** Changes the classes of the package webgpu; once, whoever else has done so. */
export function pollGently(globals: Readonly<Record<string, unknown>>): void {
  const poller = new Poller();
  for (const [name, methods] of Object.entries(ASKING)) {
    const prototype = (globals[name] as { prototype?: Record<PropertyKey, unknown> } | undefined)?.prototype;
    if (!prototype || prototype[PATCHED]) continue;
    prototype[PATCHED] = true;
    for (const method of methods) {
      const real = prototype[method];
      if (typeof real === 'function') prototype[method] = poller.asking(real as Method);
    }
  }
}

class Poller {
  /** When something was last asked for. */
  private since = 0;
  /** The process' own, while Dawn has ours. */
  private setImmediate = globalThis.setImmediate;

  /** As a method of Dawn, which takes our `schedule` for setImmediate. */
  asking(real: Method): Method {
    const poller = this;
    return function (this: unknown, ...given) {
      poller.since = performance.now();
      return poller.scheduling(() => real.apply(this, given));
    };
  }

  /** Nobody but Dawn sees the replaced function: it is there only while Dawn's own code runs. */
  private scheduling<T>(run: () => T): T {
    const before = globalThis.setImmediate;
    if (before === this.schedule || !Reflect.set(globalThis, 'setImmediate', this.schedule)) return run();
    this.setImmediate = before;
    try {
      return run();
    } finally {
      Reflect.set(globalThis, 'setImmediate', before);
    }
  }

  private readonly schedule = ((run: Run, ...given: unknown[]) => {
    const ask = () => this.scheduling(() => run(...given));
    const early = performance.now() - this.since < AT_ONCE_MS;
    return early ? this.setImmediate(ask) : setTimeout(ask, 1);
  }) as unknown as typeof setImmediate;
}
