import { type AskedBackend, activate, type BackendOptions } from '../../backend.js';
import type { ProgramModel } from '../../engines/pjrt/program.js';
import { ModelRefused, UserError } from '../../errors.js';
import type { VitConfig } from '../../families/vit/config.js';
import { weightSpecs } from '../../families/vit/weights.js';
import { engineOutputs } from '../../models/engineOutputs.js';
import type { VisionTransformer } from '../../models/visionTransformer.js';
import { namedWeights } from '../../models/weights.js';
import { chooseDevice } from '../chooseDevice.js';
import { PjrtApi, PjrtError } from './api.js';
import { PjrtClient } from './client.js';
import type { PjrtDevice } from './device.js';
import { dtypeFrom, programFolder } from './plugin.js';
import { ProgramCache } from './programCache.js';
import { XlaRuntime } from './runtime.js';

let started: PjrtClient | undefined;

/** A plugin's client: one for the process, since a GPU's memory is taken by it. */
function start(plugin: string): PjrtClient {
  if (!started) {
    const api = new PjrtApi(plugin);
    // Taking memory as it is needed leaves room for other programs on the card.
    started = new PjrtClient(api, api.isCuda ? { preallocate: false } : {});
  }
  return started;
}

/** The device that is asked for, by default the first. */
function deviceOf({ devices }: PjrtClient, asked: string | undefined): PjrtDevice {
  const names = devices.map(({ kind }) => kind);
  return devices[asked === undefined ? 0 : chooseDevice(asked, names, 'xla')]!;
}

/** What the plugin's devices call themselves, in its order. */
export function xlaDevices(plugin: string): string[] {
  return start(plugin).devices.map(({ kind }) => kind);
}

/** A model's forward passes as XLA programs take them. */
export function programModel(config: VitConfig): ProgramModel {
  return {
    weights: weightSpecs(config),
    inputShape: [...config.imgSize, config.inChans],
    outputs: { ...engineOutputs(config) },
  };
}

/** Starts XLA with a plugin. @returns a description of the device */
export async function startXla(
  plugin: string,
  { auto, device, dtype = dtypeFrom() }: AskedBackend,
): Promise<string> {
  const client = start(plugin);
  const { platform, devices } = client;
  const { kind, index } = deviceOf(client, device);
  if (auto && device === undefined && platform === 'cpu') {
    throw new UserError('the plugin computes on the CPU');
  }
  await activate('wasm');
  const which = devices.length > 1 ? ` (device ${index} of 0 to ${devices.length - 1})` : '';
  return `xla: ${platform}, ${kind}${which}, ${dtype}`;
}

/**
 * A model on XLA, which has been started.
 *
 * @throws ModelRefused if the device's memory does not hold the weights
 */
export async function xlaRuntime(
  plugin: string,
  model: VisionTransformer,
  { device: asked, dtype = dtypeFrom() }: BackendOptions,
): Promise<XlaRuntime> {
  const device = deviceOf(start(plugin), asked);
  const weights = namedWeights(model.layersModel);
  const read = async (name: string) => (await weights.get(name)!.read().data<'float32'>()) as Float32Array;
  try {
    return await XlaRuntime.create(device, new ProgramCache(device, programFolder()), {
      model: programModel(model.config),
      read,
      dtype,
    });
  } catch (error) {
    if (!(error instanceof PjrtError) || !error.outOfMemory) throw error;
    throw new ModelRefused(
      `${device.kind} has no room for ${model.config.name}'s weights: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}
