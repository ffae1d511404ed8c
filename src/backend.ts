import '@tensorflow/tfjs-backend-wasm';
import { type BoundBackend, makeCurrent, startBackend } from './boundBackend.js';
import { checkArguments } from './checkArguments.js';
import { checkOptions } from './checkOptions.js';
import type { ComputeDtype } from './computeDtype.js';
import { SettingError, UserError } from './errors.js';
import type { WeightReader } from './families/types.js';
import type { VitConfig } from './families/vit/config.js';
import { registerConvolutionGradient, registerWasmKernels, type WasmKernels } from './kernels/wasm/index.js';
import type { EngineRuntime, Runtime, VisionTransformer } from './models/visionTransformer.js';

/** What a backend may be asked for. */
export interface BackendOptions {
  /** What it is to compute products of (see load); by default what the backend's settings say, or float32. */
  readonly dtype?: ComputeDtype;
  /** Which of its devices is to compute: part of a name, or its number in `deit devices` (see load). */
  readonly device?: string;
  /** Whether layers are to be computed, for training or another model, which some backends leave to another one. */
  readonly layers?: boolean;
  /** Backends that `auto` passes over. */
  readonly without?: readonly string[];
}

/** What is asked of a backend. */
export interface AskedBackend extends BackendOptions {
  /** Whether it is one of several to choose from. */
  readonly auto: boolean;
}

/**
 * Makes a backend ready; resolves to what was found (for the log), rejects with a UserError if it cannot be used, or,
 * where it is one of several to choose from (`auto`), if there is a better one. The current backend stays.
 */
export type BackendActivator = (asked: AskedBackend) => Promise<string>;

/** Makes what runs a whole model on a backend, faster than layer by layer, from the weights of its layers. */
export type RuntimeFactory = (model: VisionTransformer, options: BackendOptions) => Promise<Runtime>;

/** A model that an engine is to run: it reads each weight once, and holds it. */
export interface EngineSource {
  readonly config: VitConfig;
  readonly readWeight: WeightReader;
  /** How many threads compute; by default what the engine finds best here. */
  readonly threads?: number;
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** Makes what runs a whole model without layers; those are built from its weights when they are first asked for. */
export type EngineFactory = (source: EngineSource) => Promise<EngineRuntime>;

/** What a backend has beside tfjs' own of its name. */
export interface BackendParts {
  /** The tfjs backend that holds its tensors and computes layers, features and training; by default its own name's. */
  readonly tensors?: string;
  readonly runtime?: RuntimeFactory;
  /** What its runtime may be asked to compute products of; float32 alone by default. */
  readonly dtypes?: readonly ComputeDtype[];
  /** Names of the devices that it may be asked for; rejects with a UserError where it has none. Not there: no choice. */
  readonly devices?: () => Promise<readonly string[]>;
  /** An engine for the models that it can run; undefined for others. */
  readonly engine?: (config: VitConfig) => EngineFactory | undefined;
}

const backends = new Map<string, BackendParts & { readonly activate: BackendActivator }>();

/** Adds a backend, before those that are there: `auto` tries the last added first. */
export function addBackend(name: string, activate: BackendActivator, parts: BackendParts = {}): void {
  backends.set(name, { activate, ...parts });
}

/** Adds an engine to a backend that is there. */
export function addEngine(name: string, engine: NonNullable<BackendParts['engine']>): void {
  const backend = backends.get(name);
  if (!backend) throw new Error(`no backend is named ${name}`);
  backends.set(name, { ...backend, engine });
}

/** The engine that runs a model on a backend, if it has one for it. */
export function engineFor(backend: string, config: VitConfig): EngineFactory | undefined {
  return backends.get(backend)?.engine?.(config);
}

/** Gives a model whose weights are filled in the runtime of a backend, where that has one. */
export async function attachRuntime(
  model: VisionTransformer,
  backend: string,
  options: BackendOptions = {},
): Promise<void> {
  const runtime = await backends.get(backend)?.runtime?.(model, options);
  if (runtime) model.useRuntime(runtime, backend);
}

/** Names that useBackend takes beside `auto`. */
export function backendNames(): string[] {
  return [...backends.keys()];
}

/**
 * Names of a backend's devices, in its order; undefined for one that lets nobody choose.
 *
 * @throws UserError if it has none here
 */
export async function backendDevices(name: string): Promise<readonly string[] | undefined> {
  return backends.get(name)?.devices?.();
}

/** Which backend runs, and why. */
export interface BackendChoice {
  readonly backend: string;
  /** One line, e.g. `wasm: SIMD with fused multiply-add`. */
  readonly description: string;
  /** Why those that come before it in `auto` were passed over, a line each. */
  readonly passedOver: readonly string[];
}

/** A choice, and the running backend that was chosen. */
export interface StartedBackend {
  readonly choice: BackendChoice;
  readonly bound: BoundBackend;
}

/**
 * Makes a backend the current one of tfjs. A named backend is used or is an error; `auto` takes the best that works.
 * Models that are there already stay on theirs.
 *
 * @throws UserError if the backend cannot be used here, or not as it is asked for
 */
export async function useBackend(name = 'auto', options: BackendOptions = {}): Promise<BackendChoice> {
  checkOptions('useBackend', options, {
    dtype: 'text',
    device: 'text',
    layers: 'flag',
    without: 'texts',
  });
  const { choice, bound } = await chooseBackend(name, options);
  makeCurrent(bound);
  return choice;
}

/** As useBackend, but leaves tfjs' current backend as it is. */
export async function chooseBackend(name = 'auto', options: BackendOptions = {}): Promise<StartedBackend> {
  checkArguments('useBackend', { name: ['text', name] });
  if (name !== 'auto') {
    if (!backends.has(name))
      throw new UserError(`no backend is named "${name}"; there are auto, ${backendNames().join(', ')}`);
    const description = await activateNamed(name, { ...options, auto: false });
    return started({ backend: name, description, passedOver: [] });
  }
  const passedOver: string[] = [];
  for (const candidate of backendNames().reverse()) {
    if (options.without?.includes(candidate)) continue;
    try {
      const description = await activateNamed(candidate, { ...options, auto: true });
      return await started({ backend: candidate, description, passedOver });
    } catch (error) {
      if (error instanceof SettingError) throw error;
      passedOver.push(`${candidate}: ${(error as Error).message}`);
    }
  }
  throw new UserError(`no backend ${whatIsAsked(options)} here: ${passedOver.join('; ')}`);
}

async function activateNamed(name: string, asked: AskedBackend): Promise<string> {
  const { activate, devices, tensors = name, dtypes = ['float32'] } = backends.get(name)!;
  if (asked.layers && tensors !== name) {
    throw new UserError(
      `${name} computes predictions and embeddings of vision transformers alone; ${tensors} would compute this`,
    );
  }
  if (asked.dtype !== undefined && !dtypes.includes(asked.dtype)) {
    throw new UserError(`${name} computes in ${dtypes.join(', ')}, not in ${asked.dtype}`);
  }
  if (asked.device !== undefined && !devices) {
    throw new UserError(`${name} has no devices to choose from`);
  }
  return activate(asked);
}

function whatIsAsked({ dtype, device }: BackendOptions): string {
  const what = [
    ...(dtype === undefined ? [] : [`computes in ${dtype}`]),
    ...(device === undefined ? [] : [`has a device "${device}"`]),
  ];
  return what.length === 0 ? 'works' : what.join(' and ');
}

async function started(choice: BackendChoice): Promise<StartedBackend> {
  return { choice, bound: await startBackend(backends.get(choice.backend)?.tensors ?? choice.backend) };
}

/** Starts a tfjs backend, if it is not running; the current one stays. */
export async function activate(name: string): Promise<BoundBackend> {
  try {
    return await startBackend(name);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { message } = error as Error;
    const reason = message ? `: ${message.split('\n')[0]}` : '';
    throw new UserError(`the ${name} backend does not start here${reason}`, { cause: error });
  }
}

/** One line on the kernels that the WASM backend runs with. */
function describeKernels({ simd, threads, reason }: WasmKernels): string {
  if (simd === 'none') return `wasm: plain ops, several times slower: ${reason}`;
  const instructions = simd === 'relaxed' ? 'SIMD with fused multiply-add' : 'SIMD';
  return `wasm: own kernels, ${instructions}${threads > 1 ? `, ${threads} threads` : ''}`;
}

/** Starts tfjs' WASM backend with our kernels; resolves to one line on them. */
export async function activateWasm(): Promise<string> {
  await activate('wasm');
  registerConvolutionGradient();
  return describeKernels(await registerWasmKernels());
}

addBackend('wasm', activateWasm);
