/** What the page is showing, in one place: panels watch the parts that they draw, and change them by `update`. */
import type { ConvertOptions } from '../../converters/convert.js';
import type { HeadFusion } from '../../src/explain/rollout.js';
import type { PatchMap, QueryToken } from '../../src/explain/types.js';
import type { GalleryImage } from './gallery.js';
import type { ModelWorker } from './worker/client.js';
import type {
  Description,
  Logits,
  ModelData,
  PatchColors,
  Seen,
  TokenMaps,
  View,
} from './worker/protocol.js';

/** A model as it was given. */
export interface ModelSource {
  /** Shown to the user. */
  readonly title: string;
  readonly data: ModelData;
  /** What a checkpoint does not tell of its model. */
  readonly hints?: ConvertOptions;
}

/** A model that is there. */
export interface Session {
  readonly source: ModelSource;
  readonly worker: ModelWorker;
  readonly model: Description;
  /** The backend that was asked for. */
  readonly asked: string;
}

export interface Loading {
  readonly title: string;
  readonly text: string;
  /** 0…1, or undefined while unknown. */
  readonly fraction: number | undefined;
  cancel(): void;
}

/** What stands on the canvas: an image and, once it is there, everything that the model made of it. */
export interface Shown {
  readonly name: string;
  /** Where it comes from; none of the camera's. */
  readonly image?: GalleryImage;
  readonly view: View;
  readonly session?: Session;
  readonly seen?: Seen;
}

export type Overlay = 'attention' | 'rollout' | 'relevance' | 'similarity' | 'colors' | 'none';

/** A class of the user's own. */
export interface OwnClass {
  readonly name: string;
  readonly examples: readonly GalleryImage[];
}

export interface State {
  session: Session | undefined;
  /** A model that was kept to be compared with others. */
  kept: Session | undefined;
  loading: Loading | undefined;
  images: readonly GalleryImage[];
  chosen: GalleryImage | undefined;
  /** Changes as a whole, so that image, answer and attention belong together. */
  shown: Shown | undefined;
  /** Whether an answer is on its way. */
  busy: boolean;
  overlay: Overlay;
  /** Counted from 0. */
  layer: number;
  head: number | 'mean';
  token: QueryToken;
  /** The patch that is asked about, row by row from 0. */
  patch: number;
  fusion: HeadFusion;
  discardRatio: number;
  /** Of the relevance; undefined: the most probable one. */
  classIndex: number | undefined;
  /** How much of the image the colours cover, 0…1. */
  strength: number;
  /** The attention of the token in every layer and head. */
  maps: TokenMaps | undefined;
  /** What lies over the image. */
  map: PatchMap | undefined;
  colors: PatchColors | undefined;
  /** Patches that were erased, and the answer without them. */
  erased: ReadonlySet<number>;
  erasing: boolean;
  without: Logits | undefined;
  /** Name of a preset, or '' for the model's own preprocessing. */
  preset: string;
  upright: boolean;
  /** Classes for which a head is to be trained. */
  ownClasses: readonly OwnClass[];
  cameraOn: boolean;
}

export const state: State = {
  session: undefined,
  kept: undefined,
  loading: undefined,
  images: [],
  chosen: undefined,
  shown: undefined,
  busy: false,
  overlay: 'attention',
  layer: 0,
  head: 'mean',
  token: 'cls',
  patch: 0,
  fusion: 'mean',
  discardRatio: 0,
  classIndex: undefined,
  strength: 0.7,
  maps: undefined,
  map: undefined,
  colors: undefined,
  erased: new Set(),
  erasing: false,
  without: undefined,
  preset: '',
  upright: false,
  ownClasses: [],
  cameraOn: false,
};

type Key = keyof State;

const watchers: { readonly keys: readonly Key[]; readonly draw: () => void }[] = [];

/** Runs `draw` after each change of one of the keys. */
export function watch(keys: readonly Key[], draw: () => void): void {
  watchers.push({ keys, draw });
}

/** Changes some of the state, and then draws what shows it. */
export function update(changes: Partial<State>): void {
  const changed = (Object.keys(changes) as Key[]).filter((key) => changes[key] !== state[key]);
  if (changed.length === 0) return;
  Object.assign(state, changes);
  for (const { keys, draw } of watchers) if (keys.some((key) => changed.includes(key))) draw();
}
