import { modelEntries } from '../configs/models/index.js';
import type { ModelEntry } from '../src/families/modelEntry.js';
import { nearest } from '../src/text.js';

/** What to give where a model's name, or what looks like one, stands for a file that is not there. */
export function insteadOf(name: string): string {
  if (findEntry(name)) return `\`deit download ${name}\` gets the checkpoint of the model of that name`;
  const [near] = nearest(name, names());
  const hint = near === undefined ? '' : `; did you mean the model ${near}?`;
  return `give a folder made by deit-convert, its URL, or a checkpoint file${hint}`;
}

const names = () => modelEntries.flatMap(({ config, aliases }) => [config.name, ...aliases]);

/** Says that no model has a name, with the nearest of those that there are. */
export function unknownModel(name: string): string {
  const near = nearest(name, names());
  return `no model is named "${name}"; ${near.length > 0 ? `did you mean ${near.join(' or ')}? ` : ''}\`deit models\` lists those that are there`;
}

/** The entry of a named model, by its name or an alias; undefined for a name that none has. */
export function findEntry(name: string): ModelEntry | undefined {
  return modelEntries.find(({ config, aliases }) => config.name === name || aliases.includes(name));
}
