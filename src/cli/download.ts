import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../errors.js';
import { modelCard } from '../models/create.js';
import { type Downloaded, downloadFile } from '../node/download.js';
import { describeCheck } from '../node/hash.js';
import { megabytes } from '../node/partialFile.js';
import { defineCommand } from './command.js';
import { UsageError } from './main.js';
import { jsonOption } from './options.js';
import { print, printJson, say } from './print.js';
import { type Progress, startProgress } from './progress.js';

interface Args {
  model: string;
  out?: string;
  from?: string;
  json: boolean;
}

/** `deit download`: the checkpoint that a model's authors published. */
export const downloadCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', { type: 'string', demandOption: true, describe: 'name, as `deit models` has it' })
      .option('out', {
        type: 'string',
        describe: 'file or folder to put it in; by default its own name here',
      })
      .option('from', {
        type: 'string',
        describe: 'http(s) folder that has the same files, where the official host is out of reach',
      })
      .options(jsonOption())
      .check(({ from }) => {
        if (from === undefined || /^https?:\/\/./.test(from)) return true;
        throw new UsageError(`--from must be an http(s) URL, got ${from}`);
      }),
  examples: [
    ['$0 deit_tiny_distilled_patch16_224', 'the official file, checked by the hash digits in its name'],
    ['$0 deit-base_pt-16xb64_in1k --out checkpoints/', 'into a folder'],
  ],
  handler: async (args) => {
    const url = urlOf(args);
    const target = await targetOf(basename(new URL(url).pathname), args.out);
    const result = await withProgress((onProgress) =>
      downloadFile(url, target, { onProgress, onNotice: (line) => say(`download: ${line}`) }),
    );
    show(result, url, args);
  },
});

function urlOf({ model, from }: Args): string {
  const { config, checkpoint } = modelCard(model);
  if (!checkpoint) {
    throw new UserError(
      `${config.name}: no URL of an official checkpoint is known; give deit-convert a file of your own`,
    );
  }
  if (!from) return checkpoint;
  return new URL(basename(new URL(checkpoint).pathname), from.endsWith('/') ? from : `${from}/`).href;
}

/** A folder, one that is there or a path that ends like one, takes the file under its own name. */
async function targetOf(file: string, out: string | undefined): Promise<string> {
  if (out === undefined) return file;
  const isFolder = /[\\/]$/.test(out) || (await stat(out).catch(() => undefined))?.isDirectory();
  return isFolder ? join(out, file) : out;
}

async function withProgress<T>(
  work: (onProgress: (done: number, total: number | null) => void) => Promise<T>,
): Promise<T> {
  let progress: Progress | undefined;
  try {
    return await work((done, total) => {
      progress ??= startProgress({
        label: 'download',
        total: (total ?? 0) / 1e6,
        unit: 'MB',
        from: done / 1e6,
      });
      progress.update(done / 1e6);
    });
  } finally {
    progress?.stop();
  }
}

function show(result: Downloaded, url: string, { model, json }: Args): void {
  if (json) return void printJson({ model: modelCard(model).config.name, url, ...result });
  const hash = `SHA-256 ${result.sha256}; ${describeCheck(result.hashDigits)}`;
  const already = result.existed ? 'was there already, ' : '';
  print(`${result.path} (${already}${megabytes(result.bytes)} MB, ${hash})`);
}
