import type { Command } from './main.js';
import { checkNumbers } from './main.js';
import { print } from './print.js';
import { catchInterrupt } from './signals.js';

const PORT = 4173;
const MAX_PORT = 65_535;

/** `deit web`: the page of web/ on this machine. */
export const webCommand: Command = {
  command: 'web',
  describe: 'Serve the page that shows a model in the browser, on this machine alone',
  builder: (yargs) =>
    yargs
      .option('port', { type: 'number', default: PORT, describe: 'port; 0 takes a free one' })
      .check((args) => checkNumbers(args, { port: [0, MAX_PORT] }))
      .example('$0 web', `open http://127.0.0.1:${PORT}/ then; Ctrl-C ends it`),
  handler: async (raw) => {
    const { port } = raw as unknown as { port: number };
    const { servePage } = await import('../node/web/page.js');
    const server = await servePage(port);
    const { signal, release } = catchInterrupt();
    print(server.url);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    release();
    await server.close();
  },
};
