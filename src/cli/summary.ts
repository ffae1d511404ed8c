import { findEntry } from '../../converters/findEntry.js';
import { gridSize, type VitConfig } from '../families/vit/config.js';
import { countFlops, countParameters } from '../families/vit/flops.js';
import { layerNodes } from '../families/vit/topology.js';
import { weightSpecs } from '../families/vit/weights.js';
import { resolveConfig } from '../models/create.js';
import { openModel } from '../node/openModel.js';
import { sizeOf } from '../shape.js';
import { defineCommand } from './command.js';
import { hubMessages } from './downloadProgress.js';
import { jsonOption } from './options.js';
import { print, printJson } from './print.js';
import { formatTable } from './table.js';

/** `deit summary`: a model layer by layer. */
export const summaryCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'name, converted folder, URL or checkpoint',
      })
      .options(jsonOption()),
  examples: [
    ['$0 deit_tiny_distilled_patch16_224', 'a named model, without its weights'],
    ['$0 my-model/', 'a converted folder'],
  ],
  handler: async ({ model, json }) => {
    const config = await configOf(model);
    const layers = summarize(config);
    const totals = { parameters: countParameters(config), flops: countFlops(config) };
    if (json) return void printJson({ config, layers, ...totals });
    const rows = layers.map(({ name, type, output, parameters, inputs }) => [
      name,
      type,
      `[${output.join(', ')}]`,
      parameters.toLocaleString('en-US'),
      inputs.join(', '),
    ]);
    print(`${config.name}: ${config.imgSize.join('×')} pixels, ${config.numClasses} classes\n`);
    print(formatTable(['layer', 'type', 'output', 'parameters', 'reads'], rows));
    print(
      `\n${totals.parameters.toLocaleString('en-US')} parameters, ` +
        `${(totals.flops.fvcore / 1e9).toFixed(3)} GMACs an image (fvcore's count)`,
    );
  },
});

async function configOf(model: string): Promise<VitConfig> {
  if (findEntry(model)) return resolveConfig(model);
  const opened = await openModel(model, {}, hubMessages());
  await opened.close();
  return opened.source.config;
}

/** Every layer with its output's shape (without the batch) and its number of parameters. */
function summarize(config: VitConfig) {
  const [rows, columns] = gridSize(config);
  const tokens = [rows * columns + (config.distilled ? 2 : 1), config.embedDim];
  const outputs: Record<string, number[]> = {
    DeitPatchEmbed: [rows * columns, config.embedDim],
    DeitHead: [config.numClasses || config.embedDim],
    Average: [config.numClasses || config.embedDim],
  };
  const sizes = weightSpecs(config).map(({ name, shape }) => ({
    name,
    size: sizeOf(shape),
  }));
  const owns = (layer: string, weight: string) =>
    layer === 'tokens' ? !weight.includes('.') : weight.startsWith(`${layer}.`);
  return layerNodes(config).map(({ className, name, inputs }) => ({
    name,
    type: className.replace(/^Deit/, ''),
    output: outputs[className] ?? tokens,
    parameters: sizes.filter((weight) => owns(name, weight.name)).reduce((sum, { size }) => sum + size, 0),
    inputs,
  }));
}
