import type { OutputSink } from '../../converters/write/sink.js';
import { checkArguments } from '../checkArguments.js';
import type { WeightReader } from '../families/types.js';
import type { VitConfig } from '../families/vit/config.js';

/**
 * Writes a model as a TensorFlow SavedModel; see converters/write/savedModel. What it needs of TensorFlow's formats is
 * loaded when it is called, so that a page which only classifies does not fetch it.
 */
export async function writeSavedModel(
  config: VitConfig,
  readWeight: WeightReader,
  sink: OutputSink,
): Promise<void> {
  checkArguments('writeSavedModel', {
    config: ['config', config],
    readWeight: ['function', readWeight],
    sink: ['sink', sink],
  });
  const { writeSavedModel: write } = await import('../../converters/write/savedModel/index.js');
  await write(config, readWeight, sink);
}
