import { removeNative, setupNative } from '../node/native/setup/index.js';
import { removeXla, setupXla } from '../node/pjrt/setup.js';
import { defineCommand } from './command.js';
import { jsonOption } from './options.js';
import { print, printJson, say } from './print.js';
import { catchInterrupt } from './signals.js';

/** `deit setup-native`: native TensorFlow for Node, without the download that its own installer needs. */
export const setupNativeCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .option('cuda', { type: 'boolean', default: false, describe: 'with CUDA 12 (Linux on x64, some 3 GB)' })
      .option('xla', {
        type: 'string',
        describe: "XLA by a PJRT plugin instead: auto (CUDA by the driver's version), cuda12, cuda13, cpu",
      })
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'for CUDA, though no GPU is found here',
      })
      .option('remove', { type: 'boolean', default: false, describe: 'remove what it installed' })
      .options(jsonOption()),
  examples: [
    ['$0', 'for the CPU: npm, pip and a C++ compiler are needed'],
    ['$0 --cuda', "and NVIDIA's libraries"],
    ['$0 --xla auto', 'XLA on a GPU, for `--backend xla`'],
  ],
  handler: async (args) => {
    const xla = args.xla === '' ? 'auto' : args.xla;
    if (args.remove) {
      const removed = await (xla === undefined ? removeNative() : removeXla());
      if (args.json) printJson({ removed });
      else print(removed ? 'removed' : 'nothing is installed');
      return;
    }
    if (xla !== undefined) {
      const installed = await interruptible((signal) =>
        setupXla({ plugin: xla, force: args.force, log: say, signal }),
      );
      if (args.json) return void printJson(installed);
      const { check, requirement, folder } = installed;
      const checked = check
        ? `${check.description}; logits differ from WASM's by ${check.difference.toExponential(1)}`
        : 'not run: no GPU is here';
      return void print(`${requirement} in ${folder}: ${checked}`);
    }
    const result = await interruptible((signal) =>
      setupNative({ cuda: args.cuda, force: args.force, log: say, signal }),
    );
    if (args.json) return void printJson(result);
    const device = result.cuda ? 'CUDA' : 'the CPU';
    print(
      `TensorFlow ${result.tensorflow} on ${device} in ${result.folder}; logits differ from WASM's by ${result.difference.toExponential(1)}`,
    );
  },
});

/** Runs an installation that Ctrl-C and SIGTERM undo. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interruption = catchInterrupt();
  try {
    return await work(interruption.signal);
  } finally {
    interruption.release();
  }
}
