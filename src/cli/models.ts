import { modelEntries } from '../../configs/models/index.js';
import type { PublishedAccuracy } from '../families/modelEntry.js';
import { countFlops, countParameters } from '../families/vit/flops.js';
import { knownModels } from '../models/knownModels.js';
import { defineCommand } from './command.js';
import { jsonOption } from './options.js';
import { print, printJson } from './print.js';
import { columnsOf, formatTable, wrap } from './table.js';

const percent = (value: number | null | undefined) =>
  value == null ? '–' : value.toFixed(value < 1 ? 3 : 2);
const giga = (value: number) => (value / 1e9).toFixed(2);
const both = (accuracy: PublishedAccuracy | undefined) => [percent(accuracy?.top1), percent(accuracy?.top5)];

const NOTES = [
  "GMACs: multiply-adds without the attention products, as in mmpretrain's table; fvcore: with them, as fvcore counts.",
  "top-1, top-5: the authors' own figures on ImageNet-1k; mm: those on mmpretrain's page.",
];

const KNOWN_NOTE =
  'linear, k-NN: top-1 of a linear classifier and of nearest neighbours on the features of a backbone. --json names the ' +
  'source of each figure; `deit download MODEL` takes the files of any model here.';

/** `deit models`: the named models with parameters, multiply-adds and published accuracy. */
export const modelsCommand = defineCommand({
  builder: (yargs) => yargs.options(jsonOption('print one JSON array')),
  examples: [['$0', 'the table']],
  handler: ({ json }) => {
    const models = modelEntries.map(({ config, aliases, preset, published }) => ({
      name: config.name,
      aliases,
      parameters: countParameters(config),
      flops: countFlops(config),
      preset,
      published,
      config,
    }));
    const known = knownModels().map((model) => ({ ...model, parameters: countParameters(model.config) }));
    if (json) return void printJson([...models, ...known]);
    const rows = models.map(({ name, aliases, parameters, flops, published }) => [
      name,
      parameters.toLocaleString('en-US'),
      giga(flops.mmpretrain),
      giga(flops.fvcore),
      ...both(published.official),
      ...both(published.mmpretrain),
      aliases.join(', '),
    ]);
    const header = [
      'model',
      'parameters',
      'GMACs',
      'fvcore',
      'top-1',
      'top-5',
      'mm top-1',
      'mm top-5',
      'also called',
    ];
    print(formatTable(header, rows));
    print(['', ...NOTES.flatMap((note) => wrap(note, columnsOf(process.stdout))), ''].join('\n'));
    print(
      formatTable(
        ['model', 'parameters', 'top-1', 'top-5', 'linear', 'k-NN', 'preset', 'from'],
        known.map(({ name, parameters, published: { top1, top5, linear, knn }, preset, source }) => [
          name,
          parameters.toLocaleString('en-US'),
          ...[top1, top5, linear, knn].map(percent),
          preset ?? 'its own',
          source,
        ]),
      ),
    );
    print(['', ...wrap(KNOWN_NOTE, columnsOf(process.stdout))].join('\n'));
  },
});
