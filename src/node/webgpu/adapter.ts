import type { BackendOptions } from '../../backend.js';
import { SettingError, UserError } from '../../errors.js';
import { chooseDevice, isSameName } from '../chooseDevice.js';
import type { Dawn } from './dawn.js';

/** An adapter that was found, and the GPU object that it came from. */
export interface FoundAdapter {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
}

/** Which adapter to take, and how. */
export interface AdapterChoice {
  /** Part of an adapter's name, or its number; by default the fastest, as the system orders them. */
  readonly device?: string;
  /** Whether $DEIT_WEBGPU_DEVICE says so, rather than the program. */
  readonly bySetting: boolean;
  /** $DEIT_DAWN_FLAGS: flags of Dawn, e.g. `backend=vulkan` or `enable-dawn-features=skip_validation`. */
  readonly flags: readonly string[];
}

export type WebgpuDtype = 'float32' | 'float16';

/** Without these, Dawn has no float16 on NVIDIA's cards, and no products of whole matrices anywhere. */
const HALF_FLAG = 'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia';

/** What products are computed of: $DEIT_WEBGPU_DTYPE, by default float32. */
export function dtypeFrom(env: NodeJS.ProcessEnv = process.env): WebgpuDtype {
  const asked = env.DEIT_WEBGPU_DTYPE || 'float32';
  if (asked === 'float32' || asked === 'float16') return asked;
  throw new SettingError(`DEIT_WEBGPU_DTYPE is "${asked}"; it may be float32, float16`);
}

/** @throws UserError if a flag is not KEY=VALUE, or if there shall be no WebGPU (`DEIT_WEBGPU_DEVICE=none`) */
export function adapterChoice(
  env: NodeJS.ProcessEnv = process.env,
  { dtype = dtypeFrom(env), device }: BackendOptions = {},
): AdapterChoice {
  const set = env.DEIT_WEBGPU_DEVICE || undefined;
  if (device === undefined && set === 'none') throw new UserError('DEIT_WEBGPU_DEVICE is none');
  const flags = (env.DEIT_DAWN_FLAGS ?? '').split(';').filter(Boolean);
  const wrong = flags.find((flag) => !/^(backend|(en|dis)able-dawn-features)=./.test(flag));
  if (wrong) {
    throw new SettingError(
      `DEIT_DAWN_FLAGS: "${wrong}"; flags are backend=NAME, enable-dawn-features=A,B and disable-dawn-features=A,B, with ; between them`,
    );
  }
  return {
    device: device ?? set,
    bySetting: device === undefined && set !== undefined,
    flags: dtype === 'float16' ? [...flags, HALF_FLAG] : flags,
  };
}

/**
 * The adapter that was chosen.
 *
 * @throws UserError if there is none
 */
export async function findAdapter(dawn: Dawn, choice: AdapterChoice): Promise<FoundAdapter> {
  const { device, flags } = choice;
  if (device === undefined) {
    const found = await request(dawn, flags);
    if (found) return found;
    throw new UserError(`WebGPU finds no GPU${hint()}`);
  }
  const name = await nameOf(dawn, choice);
  const found = await request(dawn, [...flags, `adapter=${name}`]);
  if (found) return found;
  throw new UserError(`WebGPU finds no GPU "${name}" any more`);
}

/** Whether a device that is asked for is the one that an adapter stands for. */
export async function isChosen(dawn: Dawn, choice: AdapterChoice, { info }: GPUAdapter): Promise<boolean> {
  return choice.device === undefined || isSameName(await nameOf(dawn, choice), info.device);
}

/** The whole name of the device that is asked for. */
async function nameOf(dawn: Dawn, { device = '', flags }: AdapterChoice): Promise<string> {
  const names = await adapterNames(dawn, flags);
  const index = chooseDevice(device, names, 'webgpu');
  const name = names[index]!;
  if (names.indexOf(name) === index) return name;
  throw new UserError(
    `webgpu cannot take device ${index}: an earlier one has the same name, ${name}, and Dawn takes that one`,
  );
}

/** By their flags. If one is collected while anything of it is in use, Dawn aborts the process: all are kept. */
const instances = new Map<string, GPU>();

function instance(dawn: Dawn, flags: readonly string[]): GPU {
  const key = flags.join(';');
  const gpu = instances.get(key) ?? dawn.create(flags);
  instances.set(key, gpu);
  return gpu;
}

async function request(dawn: Dawn, flags: readonly string[]): Promise<FoundAdapter | undefined> {
  const gpu = instance(dawn, flags);
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    return adapter ? { gpu, adapter } : undefined;
  } catch (error) {
    // Dawn's own words on an unknown backend; a list of what there is follows on further lines.
    const [line = ''] = (error as Error).message.split('\n');
    if (/no suitable/.test(line)) return undefined;
    throw new SettingError(`WebGPU does not start with DEIT_DAWN_FLAGS: ${line}`, { cause: error });
  }
}

/** No adapter has this name: Dawn then says which there are. */
const NO_NAME = '\u0001';

/**
 * Names of the adapters here.
 *
 * @throws UserError if there is none
 */
export async function adapterNames(dawn: Dawn, flags: readonly string[] = []): Promise<string[]> {
  const gpu = instance(dawn, [...flags, `adapter=${NO_NAME}`]);
  try {
    await gpu.requestAdapter();
  } catch (error) {
    const names = [...(error as Error).message.matchAll(/name: '(.*)'/g)].map(([, name]) => name!);
    if (names.length > 0) return names;
  }
  throw new UserError(`WebGPU finds no GPU${hint()}`);
}

function hint(): string {
  return process.platform === 'linux'
    ? '; on Linux it needs the driver’s Vulkan part and libvulkan.so.1 (Debian and Ubuntu: libvulkan1)'
    : '';
}
