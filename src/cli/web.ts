import { defineCommand } from './command.js';
import { print } from './print.js';
import { catchInterrupt } from './signals.js';
import { checkNumbers } from './usage.js';

const PORT = 4173;
const MAX_PORT = 65_535;

/** `deit web`: the page of web/ on this machine. */
export const webCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .option('port', { type: 'number', default: PORT, describe: 'port; 0 takes a free one' })
      .check((args) => checkNumbers(args, { port: [0, MAX_PORT] })),
  examples: [['$0', `open http://127.0.0.1:${PORT}/ then; Ctrl-C ends it`]],
  handler: async ({ port }) => {
    const { servePage } = await import('../node/web/page.js');
    const server = await servePage(port);
    const { signal, release } = catchInterrupt();
    print(server.url);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    release();
    await server.close();
  },
});
