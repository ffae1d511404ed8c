/** Models on the hub in a page or a web worker, kept in the browser's Cache API. */
import { checkArguments } from '../../checkArguments.js';
import { checkOptions } from '../../checkOptions.js';
import { type HubFolder, type HubOptions, openHubFolder } from '../../hub/hubFolder.js';
import { HUB_ENDPOINT, parseEndpoint } from '../../hub/hubName.js';
import { BROWSER_HUB_OPTIONS } from '../../hub/hubOptions.js';
import { requireToken } from '../../hub/token.js';
import { cacheStore } from './cacheStore.js';
import { createHasher } from './hasher.js';

export { type CachedFile, clearHubCache, listCachedFiles } from './cacheStore.js';

export interface BrowserHubOptions extends HubOptions {
  /** For models that are not open to everyone. Whoever reads the page's code reads a token in it: ask the user for it. */
  readonly token?: string;
  /** Address of the hub; by default https://huggingface.co. */
  readonly endpoint?: string;
  /** Whether files are kept for the next visit; by default true. */
  readonly cache?: boolean;
}

/**
 * Opens a model on the hub: `hf:OWNER/NAME[@REVISION][/PATH]`. Its files are downloaded when they are read.
 *
 * @throws UserError if the name is none, the model is not there or may not be read, or offline, if it is not kept
 */
export async function openHub(name: string, options: BrowserHubOptions = {}): Promise<HubFolder> {
  checkArguments('openHub', { name: ['text', name], options: ['fields', options] });
  const { token, endpoint = HUB_ENDPOINT, cache = true, ...rest } = options;
  checkOptions('openHub', options, BROWSER_HUB_OPTIONS);
  if (token !== undefined) requireToken(token, 'the option token');
  return openHubFolder(name, rest, {
    endpoint: parseEndpoint(endpoint, 'the option endpoint'),
    ...(token !== undefined && { token, tokenSource: 'the option token' }),
    settings: { giveToken: 'give one as the option token', endpoint: 'the option endpoint' },
    redirects: 'follow',
    store: await cacheStore(cache, options.onNotice),
    createHasher,
    onlineRemedy: 'load it once with a network, without the option offline',
  });
}
