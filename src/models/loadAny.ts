import { chooseBackend } from '../backend.js';
import { onBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import type { FamilySource } from './familySource.js';
import type { ImageModel } from './imageModel.js';
import { type LoadOptions, loadFrom } from './load.js';
import { loadRegnet } from './regnet.js';

type Load<Source> = (source: Source, options: LoadOptions) => Promise<ImageModel>;

/** How a model of each family is built; the compiler asks for a row when one is added. */
const loaders: {
  readonly [Name in FamilySource['family']]: Load<Extract<FamilySource, { family: Name }>>;
} = {
  regnet: async (
    source,
    { backend, device, without, quantize, dtype = 'float32', onProgress, onBackend: tell },
  ) => {
    if (quantize)
      throw new UserError(`${source.config.name}: int8 is for vision transformers, not for RegNet`);
    if (dtype !== 'float32')
      throw new UserError(`${source.config.name}: ${dtype} is for vision transformers, not for RegNet`);
    const { choice, bound } = await chooseBackend(backend, { device, without, layers: true });
    tell?.(choice);
    const report =
      onProgress && ((fraction: number) => onProgress(fraction, { loadedBytes: 0, totalBytes: 0 }));
    return onBackend(bound, () => loadRegnet(source, report));
  },
  vit: loadFrom,
};

/** Builds a model of any family on a backend and fills in its weights. */
export function loadAny(source: FamilySource, options: LoadOptions = {}): Promise<ImageModel> {
  return (loaders[source.family] as Load<FamilySource>)(source, options);
}
