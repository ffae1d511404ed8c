/**
 * tfjs' engine has one current backend for the whole process, and every op runs on it. A model keeps the backend that
 * it was built on: its ops run inside onBackend, which makes that backend current for the length of one synchronous
 * call, whatever other models, tfjs code and calls under way have chosen.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from './errors.js';

/** A running backend: the same name may get another instance (tf.removeBackend, tf.registerBackend). */
export interface BoundBackend {
  readonly name: string;
  readonly instance: tf.KernelBackend;
}

/** What of tfjs' engine says which backend is current. */
interface EngineState {
  backendName: string | null | undefined;
  backendInstance: tf.KernelBackend | null | undefined;
  pendingBackendInit: Promise<boolean> | null | undefined;
  readonly registry: Record<string, tf.KernelBackend>;
}

/** tf.setBackend would do too, but it sets up every kernel again: 0.1 ms a call, twice a forward pass. */
function engineState(): EngineState {
  const engine = tf.engine() as unknown as EngineState;
  if (typeof engine.registry === 'object' && 'pendingBackendInitId' in engine) return engine;
  throw new UserError(
    `the engine of @tensorflow/tfjs-core ${tf.version_core} is not the one that deit-tfjs works with; install 4.22.0`,
  );
}

let prepareCurrent: () => void = () => {};

/**
 * Sets what makes the current backend ready where a model is built in synchronous code: it may start one where none
 * is current. Node has such a start (src/node/wasmBackend.ts); in browsers backends start asynchronously.
 */
export function setSynchronousStart(start: () => void): void {
  prepareCurrent = start;
}

/** Name of the engine's current backend, or undefined before there is one. */
export function currentBackendName(): string | undefined {
  return engineState().backendName ?? undefined;
}

/**
 * The engine's current backend.
 *
 * @throws UserError if none is current and none can start synchronously, or the current one is still starting
 */
export function currentBackend(): BoundBackend {
  const state = engineState();
  prepareCurrent();
  if (state.pendingBackendInit != null) {
    throw new UserError(`the ${state.backendName} backend is still starting; await tf.ready() first`);
  }
  if (state.backendName == null) {
    try {
      tf.backend();
    } catch {
      throw new UserError('no backend is running yet; await useBackend() or load() first');
    }
  }
  return { name: state.backendName!, instance: state.backendInstance! };
}

/** A backend that runs, by its name. */
export function runningBackend(name: string): BoundBackend | undefined {
  const instance = engineState().registry[name];
  return instance && { name, instance };
}

/** Whether the engine still has this instance. */
export function isRunning({ name, instance }: BoundBackend): boolean {
  return engineState().registry[name] === instance;
}

/**
 * Runs synchronous tfjs code on a backend; what was current is current again after it.
 *
 * @throws UserError if the backend has been removed from the engine
 */
export function onBackend<T>(backend: BoundBackend, run: () => T): T {
  const state = engineState();
  if (!isRunning(backend)) {
    throw new UserError(
      `the ${backend.name} backend on which the model was loaded has been removed; load the model again`,
    );
  }
  const { backendName, backendInstance, pendingBackendInit } = state;
  if (backendInstance === backend.instance && pendingBackendInit == null) return run();
  state.backendName = backend.name;
  state.backendInstance = backend.instance;
  state.pendingBackendInit = null;
  const twins = hasTwin(backend.instance);
  if (twins) setUpKernels(backend);
  try {
    return run();
  } finally {
    state.backendName = backendName;
    state.backendInstance = backendInstance;
    state.pendingBackendInit = pendingBackendInit;
    if (twins && backendInstance) setUpKernels({ name: backendName!, instance: backendInstance });
  }
}

/** Whether another backend of the same class runs: tfjs' WASM kernels work on the one that was set up last. */
function hasTwin(instance: tf.KernelBackend): boolean {
  for (const other of Object.values(engineState().registry)) {
    if (other !== instance && other.constructor === instance.constructor) return true;
  }
  return false;
}

function setUpKernels({ name, instance }: BoundBackend): void {
  for (const { setupFunc } of tf.getKernelsForBackend(name)) setupFunc?.(instance);
}

/** Runs `start`, which may change the current backend at once, and puts back the one that was current, if any. */
export function keepingCurrent<T>(start: () => T): T {
  const state = engineState();
  const { backendName, backendInstance, pendingBackendInit } = state;
  try {
    return start();
  } finally {
    if (backendName != null) {
      state.backendName = backendName;
      state.backendInstance = backendInstance;
      state.pendingBackendInit = pendingBackendInit;
    }
  }
}

/**
 * Starts a registered backend, if it is not running, without making it the current one: tf.setBackend would leave the
 * process without a backend until it has started.
 *
 * @throws what the backend's own start throws
 */
export async function startBackend(name: string): Promise<BoundBackend> {
  const state = engineState();
  // One that starts by the hand of tf.setBackend is waited for: two instances would share one name.
  await state.pendingBackendInit?.catch(() => false);
  const running = runningBackend(name);
  if (running) return running;
  const factory = tf.findBackendFactory(name) as (() => tf.KernelBackend | Promise<tf.KernelBackend>) | null;
  if (!factory) throw new UserError(`no backend ${name} is registered`);
  const instance = await factory();
  const other = runningBackend(name);
  if (other) {
    instance.dispose();
    return other;
  }
  return register(name, instance);
}

/** As startBackend, for a backend whose factory is synchronous. */
export function startBackendNow(name: string): BoundBackend {
  const running = runningBackend(name);
  if (running) return running;
  const factory = tf.findBackendFactory(name) as (() => tf.KernelBackend) | null;
  if (!factory) throw new UserError(`no backend ${name} is registered`);
  return register(name, factory());
}

function register(name: string, instance: tf.KernelBackend): BoundBackend {
  const state = engineState();
  state.registry[name] = instance;
  setUpKernels({ name, instance });
  const { backendName, backendInstance } = state;
  if (backendName && backendInstance && hasTwin(instance)) {
    setUpKernels({ name: backendName, instance: backendInstance });
  }
  return { name, instance };
}

/** Makes a running backend the engine's current one. */
export function makeCurrent({ name }: BoundBackend): void {
  void tf.setBackend(name); // synchronous for one that runs
}
