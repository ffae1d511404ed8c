import { type AskedBackend, activate } from '../../backend.js';
import { COMPUTE_DTYPES, type ComputeDtype } from '../../computeDtype.js';
import type { ProgramModel } from '../../engines/pjrt/program.js';
import { UserError } from '../../errors.js';
import type { VitConfig } from '../../families/vit/config.js';
import { weightSpecs } from '../../families/vit/weights.js';
import { engineOutputs } from '../../models/engineOutputs.js';
import type { VisionTransformer } from '../../models/visionTransformer.js';
import { namedWeights } from '../../models/weights.js';
import { PjrtApi } from './api.js';
import { PjrtClient } from './client.js';
import { programFolder } from './plugin.js';
import { ProgramCache } from './programCache.js';
import { XlaRuntime } from './runtime.js';

/** What products are computed in: $DEIT_XLA_DTYPE, by default float32, exactly. */
function dtypeFrom(env: NodeJS.ProcessEnv): ComputeDtype {
  const asked = env.DEIT_XLA_DTYPE ?? 'float32';
  const dtype = COMPUTE_DTYPES.find((known) => known === asked);
  if (!dtype) throw new UserError(`DEIT_XLA_DTYPE is "${asked}"; it may be ${COMPUTE_DTYPES.join(', ')}`);
  return dtype;
}

let started: { readonly client: PjrtClient; readonly cache: ProgramCache } | undefined;

/** A plugin's client: one for the process, since a GPU's memory is taken by it. */
function start(plugin: string) {
  if (!started) {
    const api = new PjrtApi(plugin);
    // Taking memory as it is needed leaves room for other programs on the card.
    const client = new PjrtClient(api, api.isCuda ? { preallocate: false } : {});
    started = { client, cache: new ProgramCache(client, programFolder()) };
  }
  return started;
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
  { auto, dtype = dtypeFrom(process.env) }: AskedBackend,
): Promise<string> {
  const { client } = start(plugin);
  if (auto && client.platform === 'cpu') throw new UserError('the plugin computes on the CPU');
  await activate('wasm');
  const devices = client.deviceCount > 1 ? ` (the first of ${client.deviceCount})` : '';
  return `xla: ${client.platform}, ${client.deviceKind}${devices}, ${dtype}`;
}

/** A model on XLA, which has been started. */
export function xlaRuntime(
  plugin: string,
  model: VisionTransformer,
  dtype = dtypeFrom(process.env),
): Promise<XlaRuntime> {
  const { client, cache } = start(plugin);
  const weights = namedWeights(model.layersModel);
  const read = async (name: string) => (await weights.get(name)!.read().data<'float32'>()) as Float32Array;
  return XlaRuntime.create(client, cache, {
    model: programModel(model.config),
    read,
    dtype,
  });
}
