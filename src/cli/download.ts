import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findEntry } from '../../converters/findEntry.js';
import { UserError } from '../errors.js';
import { modelEntry } from '../models/create.js';
import { knownModels } from '../models/knownModels.js';
import { type Downloaded, downloadFile } from '../node/download.js';
import { describeCheck } from '../node/hash.js';
import { type DownloadedModel, downloadModel } from '../node/hub/downloadModel.js';
import { isOnHub } from '../node/hub/environment.js';
import { megabytes } from '../node/partialFile.js';
import { defineCommand } from './command.js';
import { fileProgress } from './downloadProgress.js';
import { jsonOption } from './options.js';
import { print, printJson, say } from './print.js';
import { startProgress } from './progress.js';
import { UsageError } from './usage.js';

interface Args {
  model: string;
  out?: string;
  from?: string;
  revision?: string;
  json: boolean;
}

/** `deit download`: the checkpoint that a model's authors published, or a model's files on the hub. */
export const downloadCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'name, as `deit models` has it, or hf:OWNER/NAME',
      })
      .option('out', {
        type: 'string',
        describe:
          "file or folder to put it in; by default a file's own name here, and the cache for the hub's",
      })
      .option('revision', { type: 'string', describe: "of the hub's: a branch, a tag or a commit" })
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
    ['$0 hf:google/vit-base-patch16-224', 'into the cache'],
    ['$0 hf:facebook/dino-vits16 --revision main --out dino', 'into a folder'],
  ],
  handler: async (args) => {
    const source = sourceOf(args.model);
    if (isOnHub(source)) return fromHub(source, args);
    if (args.revision !== undefined) {
      throw new UserError(`--revision is for models on the hub, and ${args.model} is ${source}`);
    }
    const url = args.from ? mirrored(source, args.from) : source;
    const target = await targetOf(basename(new URL(url).pathname), args.out);
    const show = fileProgress(startProgress);
    const result = await downloadFile(url, target, {
      onProgress: (done, total) => show.update('download', done, total),
      onNotice: (line) => say(`download: ${line}`),
    }).finally(show.stop);
    showFile(result, url, args);
  },
});

/** What a name means: a name on the hub, or the address of a file. */
function sourceOf(model: string): string {
  if (isOnHub(model)) return model;
  const known = findEntry(model) ? undefined : knownModels().find(({ name }) => name === model);
  if (known) return known.source;
  const { config, checkpoint } = modelEntry(model);
  if (checkpoint) return checkpoint;
  throw new UserError(
    `${config.name}: no URL of an official checkpoint is known; give deit-convert a file of your own`,
  );
}

/** The address of the same file in another folder. */
function mirrored(url: string, from: string): string {
  return new URL(basename(new URL(url).pathname), from.endsWith('/') ? from : `${from}/`).href;
}

async function fromHub(name: string, { out, from, revision, json }: Args): Promise<void> {
  if (from !== undefined) {
    throw new UserError(`${name}: --from is for files of one host; the hub's address is HF_ENDPOINT`);
  }
  const show = fileProgress(startProgress);
  const result = await downloadModel(name, {
    ...(revision !== undefined && { revision }),
    ...(out !== undefined && { folder: out }),
    onProgress: ({ path, loadedBytes, totalBytes }) => show.update(path, loadedBytes, totalBytes ?? null),
    onNotice: (line) => say(`download: ${line}`),
  }).finally(show.stop);
  if (json) printJson(result);
  else print(hubText(result));
}

function hubText({ model, folder, files, bytes, repo, commit }: DownloadedModel): string {
  const count = files.length === 1 ? '1 file' : `${files.length} files`;
  return `${model} (${count}, ${megabytes(bytes)} MB in ${folder}, ${repo} at commit ${commit.slice(0, 12)})`;
}

/** A folder, one that is there or a path that ends like one, takes the file under its own name. */
async function targetOf(file: string, out: string | undefined): Promise<string> {
  if (out === undefined) return file;
  const isFolder = /[\\/]$/.test(out) || (await stat(out).catch(() => undefined))?.isDirectory();
  return isFolder ? join(out, file) : out;
}

function showFile(result: Downloaded, url: string, { model, json }: Args): void {
  const name = findEntry(model)?.config.name ?? model;
  if (json) return void printJson({ model: name, url, ...result });
  const hash = `SHA-256 ${result.sha256}; ${describeCheck(result.hashDigits)}`;
  const already = result.existed ? 'was there already, ' : '';
  print(`${result.path} (${already}${megabytes(result.bytes)} MB, ${hash})`);
}
