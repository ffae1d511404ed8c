import { createHash } from 'node:crypto';
import { checkArguments } from '../../checkArguments.js';
import { checkOptions } from '../../checkOptions.js';
import { type HubFolder, type HubOptions, openHubFolder } from '../../hub/hubFolder.js';
import { parseEndpoint } from '../../hub/hubName.js';
import { HUB_OPTIONS } from '../../hub/hubOptions.js';
import { requireToken } from '../../hub/token.js';
import { diskStore } from './diskStore.js';
import { cacheFolder, findToken, hubEndpoint, huggingFaceCacheFolder, isOffline } from './environment.js';
import { folderStore } from './folderStore.js';

export interface NodeHubOptions extends HubOptions {
  /** By default `HF_TOKEN`, else the file that `hf auth login` leaves. */
  readonly token?: string;
  /** Address of the hub; by default `HF_ENDPOINT`, else https://huggingface.co. */
  readonly endpoint?: string;
  /** Cache folder; by default `DEIT_CACHE`, else `deit-tfjs` among the user's caches. */
  readonly cacheDir?: string;
  /** Folder that takes the files that are read, each under its path in the repository, in place of the cache. */
  readonly folder?: string;
}

const OPTIONS = { ...HUB_OPTIONS, cacheDir: 'text', endpoint: 'any', folder: 'text', token: 'any' } as const;

/**
 * Opens a model on the hub: `hf:OWNER/NAME[@REVISION][/PATH]`. Its files are downloaded when they are read, and kept in
 * the cache, or in the option `folder`; what Hugging Face's own libraries have in their cache is used from there.
 *
 * @throws UserError if the name is none, the model is not there or may not be read, or offline, if it is not kept
 */
export async function openHub(name: string, options: NodeHubOptions = {}): Promise<HubFolder> {
  checkArguments('openHub', { name: ['text', name], options: ['fields', options] });
  const { token, endpoint, cacheDir, folder, offline, ...rest } = options;
  checkOptions('openHub', options, OPTIONS);
  const address = endpoint === undefined ? hubEndpoint() : parseEndpoint(endpoint, 'the option endpoint');
  const credentials =
    token === undefined
      ? await findToken()
      : { token: requireToken(token, 'the option token'), tokenSource: 'the option token' };
  const cache = diskStore({
    cacheDir: cacheDir ?? cacheFolder(),
    huggingFaceDir: huggingFaceCacheFolder(),
    endpoint: address,
    onNotice: options.onNotice,
  });
  return openHubFolder(
    name,
    { ...rest, offline: offline ?? isOffline() },
    {
      endpoint: address,
      ...credentials,
      settings: { giveToken: 'set HF_TOKEN', endpoint: 'HF_ENDPOINT' },
      redirects: 'manual',
      store: folder === undefined ? cache : folderStore(folder, cache, options.onNotice),
      createHasher: hasher,
      onlineRemedy:
        'unset HF_HUB_OFFLINE and DEIT_OFFLINE (or the option offline), and run it once with a network',
    },
  );
}

function hasher(algorithm: 'sha1' | 'sha256') {
  const hash = createHash(algorithm);
  return { update: (bytes: Uint8Array) => hash.update(bytes), digest: () => hash.digest('hex') };
}
