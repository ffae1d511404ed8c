import type { CommandEntry } from './command.js';

/** `deit eval`, which is a program of its own too: deit-eval. */
export const evalEntry: CommandEntry = {
  usage: 'eval <model> <val-dir>',
  describe: 'Measure accuracy on a folder of labelled images',
  load: async () => (await import('./eval.js')).evalCommand,
};

/** `deit convert`, which is a program of its own too: deit-convert. */
export const convertEntry: CommandEntry = {
  usage: 'convert <checkpoint> <outdir>',
  describe: 'Convert a PyTorch checkpoint (.pth, .safetensors) of a ViT or DeiT',
  load: async () => (await import('./convert.js')).convertCommand,
};

/** The commands of `deit`, in the order of its help. */
export const commands: readonly CommandEntry[] = [
  convertEntry,
  evalEntry,
  {
    usage: 'predict <model> <images...>',
    describe: 'Classify images',
    load: async () => (await import('./predict.js')).predictCommand,
  },
  {
    usage: 'embed <model> <images...>',
    describe: 'Write features of images, float32 [images, width]',
    load: async () => (await import('./embed.js')).embedCommand,
  },
  {
    usage: 'models',
    describe: 'List the named models: parameters, FLOPs, published accuracy',
    load: async () => (await import('./models.js')).modelsCommand,
  },
  {
    usage: 'summary <model>',
    describe: 'Print a model layer by layer',
    load: async () => (await import('./summary.js')).summaryCommand,
  },
  {
    usage: 'inspect <checkpoint>',
    describe: 'Print what is in a checkpoint, what it would become, and what would be assumed',
    load: async () => (await import('./inspect.js')).inspectCommand,
  },
  {
    usage: 'download <model>',
    describe: "Download a model's official checkpoint, or its files on the hub",
    load: async () => (await import('./download.js')).downloadCommand,
  },
  {
    usage: 'cache',
    describe: 'List or remove what was downloaded from the hub',
    load: async () => (await import('./cache.js')).cacheCommand,
  },
  {
    usage: 'attention <model> <image>',
    describe: 'Draw what the model looks at',
    load: async () => (await import('./attention.js')).attentionCommand,
  },
  {
    usage: 'worker',
    describe: 'Take part in evaluations on many machines (deit eval --queue)',
    load: async () => (await import('./worker.js')).workerCommand,
  },
  {
    usage: 'web',
    describe: 'Serve the page that shows a model in the browser, on this machine alone',
    load: async () => (await import('./web.js')).webCommand,
  },
  {
    usage: 'train [config]',
    describe: 'Train a model, alone or under a teacher',
    load: async () => (await import('./train.js')).trainCommand,
  },
  {
    usage: 'export <model> <file>',
    describe: "Write a model as facebookresearch/deit's state_dict, in safetensors",
    load: async () => (await import('./export.js')).exportCommand,
  },
  {
    usage: 'devices',
    describe: 'List the backends that work here, and their GPUs',
    load: async () => (await import('./devices.js')).devicesCommand,
  },
  {
    usage: 'setup-native',
    describe: 'Install native TensorFlow, which `--backend auto` then prefers',
    load: async () => (await import('./setupNative.js')).setupNativeCommand,
  },
];
