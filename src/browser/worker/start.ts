/** Starts the worker's script, wherever it lies, and says why it did not start. */
import { UserError } from '../../errors.js';
import { assetFolder, assetSource } from '../assets.js';
import { blobWorkersStart, forbiddenBy, scriptUrl } from '../policy.js';

export interface StartedWorker {
  readonly worker: Worker;
  /** Why the script could not be loaded, to be asked once the worker has failed without a message. */
  readonly explain: () => Promise<string>;
}

const NAME = 'deit-tfjs';
const REMEDY =
  'serve a copy of deit-tfjs/dist/browser and name its address as the option assetFolder, or import deit-tfjs/inline';

/** @throws UserError if the browser refuses to start it at once */
export async function startWorker(): Promise<StartedWorker> {
  const folder = assetFolder();
  if (folder !== undefined) return startAt(`${folder}worker.js`);
  const { inlined, workerUrl, startWorker: startBundled } = assetSource();
  if (workerUrl) return startAt(workerUrl());
  if (inlined) return startText(await inlined.worker(), 'classic');
  try {
    return { worker: startBundled!(), explain: async () => `its script cannot be loaded; ${REMEDY}` };
  } catch (cause) {
    const isOther = (cause as Error).name === 'SecurityError';
    const why = isOther
      ? 'its script lies on another origin than the page, where a worker’s may not lie'
      : `the bundler does not tell where its script lies (${(cause as Error).message})`;
    throw new UserError(`the worker cannot be started: ${why}; ${REMEDY}`, { cause });
  }
}

function startAt(url: string): StartedWorker {
  // The script of a worker must be of the page's own origin; what it imports need not be.
  const isOwn = globalThis.origin !== 'null' && new URL(url).origin === globalThis.origin;
  if (!isOwn) return startText(`import ${JSON.stringify(url)};`, 'module', url);
  return { worker: new Worker(url, { type: 'module', name: NAME }), explain: () => explainScript(url) };
}

/** A worker of a script that is a text; `imported` is the address that the script imports, if it does. */
function startText(script: string, type: WorkerType, imported?: string): StartedWorker {
  const explain = async () => {
    if (!(await blobWorkersStart())) {
      return "the page's Content-Security-Policy forbids workers of a blob; add blob: to its worker-src";
    }
    return imported === undefined ? 'its script cannot be loaded' : explainScript(imported);
  };
  try {
    return { worker: new Worker(textUrl(script, type), { type, name: NAME }), explain };
  } catch (cause) {
    throw new UserError(
      `the worker cannot be started from a blob (${(cause as Error).message}); add blob: to the worker-src of the page's Content-Security-Policy`,
      { cause },
    );
  }
}

/** Chromium starts no module worker from a blob of a page without an origin (a sandboxed frame). */
function textUrl(script: string, type: WorkerType): string {
  const isModule = type === 'module' && globalThis.origin === 'null';
  return isModule ? `data:text/javascript,${encodeURIComponent(script)}` : scriptUrl(script);
}

async function explainScript(url: string): Promise<string> {
  const directive = await forbiddenBy(url);
  if (directive) {
    return `the page's Content-Security-Policy forbids ${url}; add ${new URL(url).origin} to its ${directive}`;
  }
  try {
    const response = await fetch(url);
    if (!response.ok) return `${url}: the server answered ${response.status}; ${REMEDY}`;
    const type = response.headers.get('Content-Type') ?? '';
    if (!/javascript|ecmascript/i.test(type)) {
      return `${url}: the server sends it as "${type}", not as JavaScript; ${REMEDY}`;
    }
  } catch {
    return `${url}: cannot be fetched; check the network, the address and the server's CORS headers`;
  }
  return `${url}: the browser does not load it; is it a module worker, which old browsers do not know?`;
}
