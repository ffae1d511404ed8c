/** Models that the browser's cache still holds, to be opened again after a reload: addresses and names on the hub. */
import { clearCache, type KeptFile, listKeptFiles } from '../../src/browser/cache.js';
import { type CachedFile, clearHubCache, listCachedFiles } from '../../src/browser/hub.js';
import { byId, make, megabytes } from './dom.js';
import { digits } from './examples.js';
import { lastPart } from './inputs.js';
import { announce, showError } from './messages.js';
import type { ModelSource } from './state.js';

/** A model in the cache. */
export interface Recent {
  readonly address: string;
  readonly bytes: number;
}

const SHOWN = 8;

let openModel: (source: ModelSource) => void = () => {};

export function listenForRecents(onModel: (source: ModelSource) => void): void {
  openModel = onModel;
  // Not before: the first answer has no use for it.
  byId('change-model').addEventListener('click', () => void show());
}

async function show(): Promise<void> {
  // The code that reads what is kept of the hub is fetched now, which fails without a network.
  const ofHub = listCachedFiles().catch(() => []);
  const recents = [...recentAddresses(await listKeptFiles()), ...recentNames(await ofHub)];
  byId('recents').hidden = recents.length === 0;
  byId('recent-list').replaceChildren(...recents.slice(0, SHOWN).map(item));
}

function item({ address, bytes }: Recent): HTMLElement {
  const title = lastPart(MODEL_JSON.test(address) ? folderOf(address) : address);
  const button = make(
    'button',
    { type: 'button', title: address },
    title,
    make('small', {}, ` ${megabytes(bytes)}`),
  );
  button.addEventListener('click', () => openModel({ title, data: address }));
  return make('li', {}, button);
}

/** Files at addresses as models: a model.json with what lies beside it is one, any other file by itself. */
function recentAddresses(files: readonly KeptFile[]): Recent[] {
  const models = new Map(
    files.filter(({ url }) => MODEL_JSON.test(url)).map(({ url }) => [folderOf(url), url]),
  );
  const bytes = new Map<string, number>();
  for (const { url, bytes: length } of files) {
    if (url === digits.data) continue;
    const address = models.get(folderOf(url)) ?? url;
    bytes.set(address, (bytes.get(address) ?? 0) + length);
  }
  return [...bytes].map(([address, sum]) => ({ address, bytes: sum }));
}

const MODEL_JSON = /\/model\.json([?#]|$)/;
const folderOf = (url: string) => url.replace(/[?#].*$/, '').replace(/[^/]*$/, '');

/** Files of the hub as names of models. */
function recentNames(files: readonly CachedFile[]): Recent[] {
  const bytes = new Map<string, number>();
  for (const { name, bytes: length } of files) {
    const address = `hf:${name.split('/').slice(0, 2).join('/')}`;
    bytes.set(address, (bytes.get(address) ?? 0) + length);
  }
  return [...bytes].map(([address, sum]) => ({ address, bytes: sum }));
}

byId('forget').addEventListener('click', async () => {
  try {
    await Promise.all([clearCache(), clearHubCache()]);
    announce('The browser keeps no model any more');
    byId('change-model').focus({ preventScroll: true });
  } catch (error) {
    showError('The cache cannot be emptied', error);
  }
  await show();
});
