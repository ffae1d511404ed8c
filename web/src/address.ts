/** What is shown, in the address: so that a state can be sent and comes back after a reload. */
import { type Overlay, type Session, state, update, watch } from './state.js';

const OVERLAYS: readonly Overlay[] = ['attention', 'rollout', 'relevance', 'similarity', 'colors', 'none'];

const given = new URLSearchParams(location.hash.slice(1));

/** What the address asked for when the page was opened; an image by its name, a layer for the first model alone. */
export const wantedFromAddress = {
  model: given.get('model') ?? undefined,
  image: given.get('image') ?? undefined,
  layer: wholeNumber(given.get('layer')),
  takeLayer({ model }: Session): number | undefined {
    const { layer } = this;
    this.layer = undefined;
    return layer !== undefined && layer <= model.config.depth ? layer - 1 : undefined;
  },
};

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}

/** Takes what needs no model at once, and writes changes back. */
export function listenForAddress(): void {
  const overlay = given.get('show') as Overlay | null;
  const head = wholeNumber(given.get('head'));
  const token = given.get('token');
  update({
    ...(overlay && OVERLAYS.includes(overlay) ? { overlay } : {}),
    ...(token === 'cls' || token === 'dist' || token === 'mean' ? { token } : {}),
  });
  watch(['images'], chooseWanted);
  watch(['shown'], () => {
    const { session } = state.shown ?? {};
    if (head === undefined || headTaken || !session) return;
    headTaken = true;
    if (head <= session.model.config.numHeads) update({ head: head - 1 });
  });
  watch(['shown', 'overlay', 'layer', 'head', 'token'], write);
}

let headTaken = false;

function chooseWanted(): void {
  const chosen = state.images.find(({ name }) => name === wantedFromAddress.image);
  if (!chosen) return;
  wantedFromAddress.image = undefined;
  update({ chosen });
}

function write(): void {
  const { shown, overlay, layer, head, token } = state;
  if (!shown?.session) return;
  const { data } = shown.session.source;
  const isBuiltIn = typeof data === 'string' && data.startsWith(new URL('.', document.baseURI).href);
  const fields: Record<string, string | undefined> = {
    model: typeof data === 'string' && !isBuiltIn ? data : undefined,
    image: shown.name,
    show: overlay,
    layer: String(layer + 1),
    head: head === 'mean' ? undefined : String(head + 1),
    token: typeof token === 'number' ? undefined : token,
  };
  const hash = new URLSearchParams(
    Object.entries(fields).filter((each): each is [string, string] => each[1] !== undefined),
  );
  history.replaceState(null, '', `#${hash}`);
}
