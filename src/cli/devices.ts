import { chooseBackend } from '../backend.js';
import { type BackendInfo, listBackends } from '../node/listBackends.js';
import { defineCommand } from './command.js';
import { jsonOption } from './options.js';
import { print, printJson } from './print.js';
import { columnsOf, wrap } from './table.js';

/** `deit devices`: which backends work here, and the GPUs that --device may name. */
export const devicesCommand = defineCommand({
  builder: (yargs) => yargs.options(jsonOption()),
  examples: [
    ['$0', 'each backend in the order of --backend auto'],
    ['$0 --json', 'the same as one JSON object'],
  ],
  handler: async ({ json }) => {
    const backends = await listBackends();
    if (!json) print(backends.flatMap(linesOf).join('\n')); // what there is to name, where a setting names something else
    const { choice } = await chooseBackend('auto');
    if (json) return void printJson({ auto: choice.backend, description: choice.description, backends });
    print(`\nauto takes ${choice.description}`);
  },
});

/** A line for each device, or what there is to say in place of devices. */
function linesOf({ backend, devices, description, missing }: BackendInfo): string[] {
  if (devices.length > 0)
    return column(
      backend,
      devices.map((name, i) => `${i}  ${name}`),
    );
  const text = missing === undefined ? description!.replace(`${backend}: `, '') : `not here: ${missing}`;
  return column(backend, wrap(text, columnsOf(process.stdout) - NAME_COLUMNS));
}

/** Columns of a backend's name and the space behind it. */
const NAME_COLUMNS = 12;

function column(name: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => (i === 0 ? name : '').padEnd(NAME_COLUMNS) + line);
}
