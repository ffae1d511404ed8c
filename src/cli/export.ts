import { stateDictChunks } from '../../converters/write/stateDict.js';
import { UserError } from '../errors.js';
import { dequantize } from '../families/vit/quantize.js';
import { writeFileAtomically } from '../node/atomicFile.js';
import { checkOutput } from '../node/checkOutput.js';
import { openModel } from '../node/openModel.js';
import { defineCommand } from './command.js';
import { modelPositional } from './options.js';
import { print } from './print.js';

/** `deit export`: any MODEL back into PyTorch. */
export const exportCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', modelPositional)
      .positional('file', { type: 'string', demandOption: true, describe: 'file to make or replace' }),
  examples: [['$0 run/best deit.safetensors', 'PyTorch: load_state_dict(safetensors.torch.load_file(…))']],
  handler: async ({ model, file }) => {
    if (!file.endsWith('.safetensors')) throw new UserError(`${file}: should end in .safetensors`);
    await checkOutput(file, [model]);
    const opened = await openModel(model);
    try {
      await writeFileAtomically(file, stateDictChunks(dequantize(opened.source)));
    } finally {
      await opened.close();
    }
    print(file);
  },
});
