/** What lies over the image: asked of the worker when what it depends on changes. The last question counts. */
import type { PatchMap } from '../../src/explain/types.js';
import { isAbort, showError } from './messages.js';
import { type State, state, update, watch } from './state.js';
import type { TokenMaps } from './worker/protocol.js';

let asked = 0;

watch(['shown', 'token'], () => void refreshMaps());
watch(
  ['shown', 'maps', 'overlay', 'layer', 'head', 'token', 'fusion', 'discardRatio', 'classIndex'],
  () => void refreshMap(),
);
watch(['patch'], () => {
  if (state.overlay === 'similarity') void refreshMap();
});
watch(['erased'], () => void refreshErased());

async function refreshMaps(): Promise<void> {
  const { shown, token, maps } = state;
  const session = shown?.session;
  if (!session || maps?.token === token) return;
  const given = await answerOf(session.worker.call('maps', [token]));
  if (given && state.shown === shown && state.token === token) update({ maps: given });
}

async function refreshMap(): Promise<void> {
  const turn = ++asked;
  const { shown, overlay } = state;
  if (!shown?.seen || overlay === 'none') return update({ map: undefined });
  if (overlay === 'attention') return update({ map: mapFrom(state.maps, state.layer, state.head) });
  if (overlay === 'colors') {
    const colors = await answerOf(shown.session!.worker.call('colors', []));
    if (turn === asked) update({ colors, map: undefined });
    return;
  }
  const map = await answerOf(askMap(shown, overlay));
  if (turn === asked) update({ map });
}

function askMap(
  shown: NonNullable<State['shown']>,
  overlay: 'rollout' | 'relevance' | 'similarity',
): Promise<PatchMap> {
  const { worker } = shown.session!;
  const { token, fusion, discardRatio, patch } = state;
  if (overlay === 'rollout') return worker.call('rollout', [{ token, fusion, discardRatio }]);
  if (overlay === 'similarity') return worker.call('similarity', [patch]);
  const classIndex = state.classIndex ?? shown.seen!.logits.indexOf(Math.max(...shown.seen!.logits));
  return worker.call('relevance', [classIndex, token === 'dist' ? 'dist' : 'cls']);
}

/** One layer and head of the maps of a token. */
export function mapFrom(
  maps: TokenMaps | undefined,
  layer: number,
  head: number | 'mean',
): PatchMap | undefined {
  const { shown } = state;
  if (!maps || !shown?.seen) return undefined;
  const [rows, cols] = shown.seen.grid;
  const heads = shown.session!.model.config.numHeads;
  const start = (layer * (heads + 1) + (head === 'mean' ? 0 : head + 1)) * rows * cols;
  return { data: maps.values.subarray(start, start + rows * cols), rows, cols };
}

async function refreshErased(): Promise<void> {
  const { shown, erased } = state;
  if (!shown?.seen || erased.size === 0) return update({ without: undefined });
  const without = await answerOf(shown.session!.worker.call('erase', [[...erased]]));
  if (without && state.erased === erased && state.shown === shown) update({ without });
}

/** What the worker says, or undefined, and the reason is told. */
async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isAbort(error)) showError('This cannot be shown', error, { subject: 'explain' });
    return undefined;
  }
}
