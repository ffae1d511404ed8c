import { UserError } from '../errors.js';
import { parseHubName } from '../hub/hubName.js';
import {
  type CachedModel,
  clearHubCache,
  hubCacheFolder,
  listCache,
  removeFromCache,
} from '../node/hub/cache.js';
import { hubEndpoint } from '../node/hub/environment.js';
import { megabytes } from '../node/partialFile.js';
import { addCommand, type Command, defineCommand } from './command.js';
import { jsonOption, modelPositional } from './options.js';
import { print, printJson } from './print.js';
import { formatTable } from './table.js';

/** `deit cache`: what was downloaded from the hub. */
export const cacheCommand = defineCommand({
  builder: (yargs) => {
    const add = (usage: string, describe: string, command: Command) =>
      addCommand(yargs, usage, describe, command, `cache ${usage.split(' ')[0]}`);
    add('list', 'List the models in the cache, the one used last first', listCommand);
    add('dir', 'Print the folder of the cache', dirCommand);
    add('remove <model>', 'Remove a model from the cache', removeCommand);
    add('clear', 'Remove all models from the cache', clearCommand);
    return yargs.demandCommand(1, 'say what to do with the cache: list, dir, remove or clear');
  },
  examples: [
    ['$0 list', 'models, their sizes, and when they were used'],
    ['$0 remove google/vit-base-patch16-224', 'frees its space'],
  ],
  handler: () => {},
});

const listCommand = defineCommand({
  builder: (yargs) => yargs.options(jsonOption('print JSON')),
  examples: [['$0 --json', 'one JSON array']],
  handler: async (args) => {
    const models = await listCache();
    if (args.json) return void printJson(models);
    if (models.length === 0) return void print(`nothing is in the cache (${hubCacheFolder()})`);
    print(formatTable(['model', 'MB', 'files', 'revisions', 'used'], models.map(row)));
    const total = models.reduce((sum, { bytes }) => sum + bytes, 0);
    print(`\n${megabytes(total)} MB in ${hubCacheFolder()}`);
  },
});

function row({ repo, bytes, partialBytes, files, revisions, used }: CachedModel): string[] {
  const names = revisions.map(({ revision, commit }) =>
    revision === commit ? commit.slice(0, 12) : `${revision} (${commit.slice(0, 12)})`,
  );
  const unfinished = partialBytes > 0 ? ` + ${megabytes(partialBytes)} MB unfinished` : '';
  const when = `${used.slice(0, 16).replace('T', ' ')} UTC`;
  return [repo, megabytes(bytes), `${files}${unfinished}`, names.join(', ') || '–', when];
}

const dirCommand = defineCommand({
  builder: (yargs) => yargs,
  examples: [['du -sh "$($0)"', 'its size on the disk']],
  handler: () => print(hubCacheFolder()),
});

const removeCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', { ...modelPositional, describe: 'OWNER/NAME, as the list has it' })
      .options(jsonOption('print JSON')),
  examples: [['$0 google/vit-base-patch16-224', 'frees its space']],
  handler: async (args) => {
    const repo = repoOf(args.model);
    const bytes = await removeFromCache(repo);
    if (args.json) printJson({ removed: repo, bytes });
    else print(`${repo} removed: ${megabytes(bytes)} MB`);
  },
});

function repoOf(model: string): string {
  const name = /^(hf:|https?:)/i.test(model) ? model : `hf:${model}`;
  const { repo, revision, path } = parseHubName(name, hubEndpoint());
  if (revision === undefined && path === undefined) return repo;
  throw new UserError(`${model}: models are removed as a whole; give ${repo}`);
}

const clearCommand = defineCommand({
  builder: (yargs) => yargs.options(jsonOption('print JSON')),
  examples: [['$0', 'empties the cache']],
  handler: async (args) => {
    const bytes = await clearHubCache();
    if (args.json) printJson({ bytes });
    else print(`${megabytes(bytes)} MB removed`);
  },
});
