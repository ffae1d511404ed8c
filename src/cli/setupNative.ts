import { removeNative, setupNative } from '../node/native/setup/index.js';
import type { Command } from './main.js';
import { print, printJson, say } from './print.js';
import { catchInterrupt } from './signals.js';

interface Args {
  cuda: boolean;
  force: boolean;
  remove: boolean;
  json: boolean;
}

/** `deit setup-native`: native TensorFlow for Node, without the download that its own installer needs. */
export const setupNativeCommand: Command = {
  command: 'setup-native',
  describe: 'Install native TensorFlow, which `--backend auto` then prefers',
  builder: (yargs) =>
    yargs
      .option('cuda', { type: 'boolean', default: false, describe: 'with CUDA 12 (Linux on x64, some 3 GB)' })
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'with --cuda, though no GPU is found here',
      })
      .option('remove', { type: 'boolean', default: false, describe: 'remove what it installed' })
      .option('json', { type: 'boolean', default: false, describe: 'print one JSON object' })
      .example('$0 setup-native', 'for the CPU: npm, pip and a C++ compiler are needed')
      .example('$0 setup-native --cuda', "and NVIDIA's libraries"),
  handler: async (raw) => {
    const args = raw as unknown as Args;
    if (args.remove) {
      const removed = await removeNative();
      if (args.json) printJson({ removed });
      else print(removed ? 'removed' : 'nothing is installed');
      return;
    }
    const result = await install(args);
    if (args.json) return void printJson(result);
    const device = result.cuda ? 'CUDA' : 'the CPU';
    print(
      `TensorFlow ${result.tensorflow} on ${device} in ${result.folder}; logits differ from WASM's by ${result.difference.toExponential(1)}`,
    );
  },
};

async function install({ cuda, force }: Args) {
  const interruption = catchInterrupt();
  try {
    return await setupNative({ cuda, force, log: say, signal: interruption.signal });
  } finally {
    interruption.release();
  }
}
