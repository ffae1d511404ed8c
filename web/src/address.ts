/**
 * What is shown, in the address: so that a state can be sent, and comes back after a reload or with the browser's
 * buttons. Another model or image is a new entry of the browser's history; another layer, head or map is not.
 */
import type { GalleryImage } from './gallery.js';
import { lastPart } from './inputs.js';
import { type ModelSource, type Overlay, type Session, state, update, watch } from './state.js';

const OVERLAYS: readonly Overlay[] = ['attention', 'rollout', 'relevance', 'similarity', 'colors', 'none'];

/** An image that was looked at for less than this is no place to go back to. */
const GLANCE_MS = 1000;

interface Address {
  readonly model?: string;
  /** An image by its name. */
  readonly image?: string;
  readonly overlay?: Overlay;
  /** Counted from 1. */
  readonly layer?: number;
  readonly head?: number;
  readonly token?: 'cls' | 'dist' | 'mean';
}

function readAddress(): Address {
  const given = new URLSearchParams(location.hash.slice(1));
  const overlay = OVERLAYS.find((name) => name === given.get('show'));
  const token = (['cls', 'dist', 'mean'] as const).find((name) => name === given.get('token'));
  const fields = {
    model: given.get('model') ?? undefined,
    image: given.get('image') ?? undefined,
    layer: wholeNumber(given.get('layer')),
    head: wholeNumber(given.get('head')),
    overlay,
    token,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}

/** What the address asks for and is not there yet: an image by its name, layer and head of the model that comes. */
let wanted: Address = readAddress();

/** The model that the address names. */
export const wantedModel = wanted.model;
export const wantedImage = wanted.image;

/** A place in the browser's history, by what was shown there. */
interface Place {
  readonly source: ModelSource;
  readonly image: GalleryImage | undefined;
}

/** By what history.state has; entries from before a reload have keys that are not here. */
const places = new Map<string, Place>();
let current: Place | undefined;
let since = 0;
/** Where the browser's buttons lead, until it is shown. */
let going: Place | undefined;
let openModel: (source: ModelSource) => void = () => {};

/** The layer that was asked for with a model, counted from 0; it is asked for once. */
export function takeWantedLayer({ model, source }: Session): number | undefined {
  if (going && going.source !== source) return undefined;
  const { layer, ...rest } = wanted;
  wanted = rest;
  return layer !== undefined && layer <= model.config.depth ? layer - 1 : undefined;
}

/** Takes what needs no model at once, and writes changes back. */
export function listenForAddress(onModel: (source: ModelSource) => void): void {
  openModel = onModel;
  const { overlay, token } = wanted;
  update({ ...(overlay && { overlay }), ...(token && { token }) });
  watch(['images'], chooseWanted);
  watch(['shown'], takeHead);
  watch(['shown', 'overlay', 'layer', 'head', 'token'], write);
  addEventListener('popstate', go);
}

function takeHead(): void {
  const { session } = state.shown ?? {};
  const { head, ...rest } = wanted;
  if (head === undefined || !session || (going && going.source !== session.source)) return;
  wanted = rest;
  if (head <= session.model.config.numHeads) update({ head: head - 1 });
}

function chooseWanted(): void {
  const chosen = state.images.find(({ name }) => name === wanted.image);
  if (!chosen) return;
  wanted = { ...wanted, image: undefined };
  update({ chosen });
}

/** Back, forward, or an address that was typed or pasted over this one. */
function go(event: PopStateEvent): void {
  const address = readAddress();
  const place = places.get(keyOf(event.state) ?? '');
  const source = place?.source ?? typedModel(address) ?? state.session?.source;
  if (!source) return;
  const image = state.images.find((each) => (place ? each === place.image : each.name === address.image));
  going = { source, image: image ?? state.chosen };
  current = going;
  wanted = image ? { layer: address.layer, head: address.head } : address;
  if (source !== state.session?.source) openModel(source);
  if (image) update({ chosen: image });
  const { overlay, token } = address;
  update({ ...(overlay && { overlay }), ...(token && { token }), ...hereAt(source) });
}

/** Layer and head, where the model that they are of is the one that is shown; else they are taken with its answer. */
function hereAt(source: ModelSource): { layer?: number; head?: number | 'mean' } {
  const { session } = state;
  if (session?.source !== source || state.shown?.session !== session) return {};
  const { head } = wanted;
  const layer = takeWantedLayer(session);
  wanted = { image: wanted.image };
  const known = head !== undefined && head <= session.model.config.numHeads;
  return { ...(layer === undefined ? {} : { layer }), head: known ? head - 1 : 'mean' };
}

/** A model that an address names and that is not the one which is open. */
function typedModel({ model }: Address): ModelSource | undefined {
  if (model === undefined || model === state.session?.source.data) return undefined;
  return { title: lastPart(model), data: model };
}

function write(): void {
  const { shown, overlay, layer, head, token } = state;
  if (!shown?.session) return;
  const { source } = shown.session;
  if (going) {
    const isThere = going.source === source && going.image === shown.image;
    const isComing = state.loading !== undefined || state.busy;
    if (!isThere && isComing) return;
    going = undefined;
  }
  const { data } = source;
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
  keep({ source, image: shown.image }, `#${hash}`);
}

/** A new entry of the history for another model or image, unless the last was only glanced at. */
function keep(place: Place, hash: string): void {
  const now = performance.now();
  const otherModel = current !== undefined && current.source !== place.source;
  const otherImage = current !== undefined && current.image !== place.image;
  const asEntry = otherModel || (otherImage && now - since >= GLANCE_MS);
  if (!current || otherModel || otherImage) since = now;
  current = place;
  const key = (asEntry ? undefined : keyOf(history.state)) ?? `${performance.timeOrigin} ${places.size}`;
  places.set(key, place);
  if (asEntry) history.pushState({ place: key }, '', hash);
  else history.replaceState({ place: key }, '', hash);
}

function keyOf(given: unknown): string | undefined {
  return (given as { place?: string } | null)?.place;
}
