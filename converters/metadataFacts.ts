import type { Facts } from './facts.js';
import type { Checkpoint } from './formats/types.js';
import { mergeFacts } from './mergeFacts.js';
import { classNames } from './metadata/classNames.js';
import { type Entries, entriesOf } from './metadata/entries.js';
import { lightningFacts } from './metadata/lightning.js';
import { mmengineFacts } from './metadata/mmengine.js';
import { withJsonTexts } from './metadata/modelParameters.js';
import {
  argumentFacts,
  type MetadataOptions,
  nameFacts,
  selfSupervisedFacts,
} from './metadata/trainingArguments.js';
import { modelOfFile, namedFacts, namedModel } from './namedFacts.js';
import { storedFacts } from './storedFacts.js';

/**
 * What a checkpoint says of its model beside the tensors: this package's own exports, arguments of timm's and of
 * facebookresearch's training scripts, mmengine's configuration and class names, Lightning's hyper-parameters, names of
 * architectures, and the name of a file that its authors publish.
 *
 * @throws UserError for a model that is none of this family, by its own name, and for a setting that is not supported
 */
export async function metadataFacts(checkpoint: Checkpoint, options: MetadataOptions = {}): Promise<Facts> {
  const { tensors } = checkpoint;
  const metadata = withJsonTexts(checkpoint.metadata);
  const entries = entriesOf(metadata);
  const published = modelOfFile(checkpoint.name);
  return mergeFacts(
    storedFacts(checkpoint),
    configFacts(entries, tensors.keys(), options),
    await argumentFacts(entries, options),
    selfSupervisedFacts(entries, tensors.keys()),
    lightningFacts(entries),
    archFacts(entries),
    classNames(metadata),
    published && (await namedFacts(published, `the file's name`)),
    await wantedFacts(options.model),
  );
}

/** What the name that was asked for tells of images and classes; of the architecture it is checked by convert. */
async function wantedFacts(name: string | undefined): Promise<Facts | undefined> {
  const model = name === undefined ? undefined : namedModel(name);
  return model && { ...(await namedFacts(model, `--model ${name}`)), library: undefined, config: {} };
}

function configFacts(
  entries: Entries,
  tensorNames: Iterable<string>,
  { skipPreprocessing = false }: MetadataOptions,
): Facts | undefined {
  for (const source of ['meta.cfg', 'meta.config']) {
    const text = entries.text(source);
    const facts =
      text === undefined ? undefined : mmengineFacts(text, source, { skipPreprocessing, tensorNames });
    if (facts) return facts;
  }
  return undefined;
}

/** Names that scripts keep at the top: `arch`, `model_name`. */
function archFacts(entries: Entries): Facts | undefined {
  for (const source of ['arch', 'model_name', 'architecture']) {
    const name = entries.text(source);
    const facts = name === undefined ? undefined : nameFacts(name, source);
    if (facts) return facts;
  }
  return undefined;
}
