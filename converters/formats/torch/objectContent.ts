import { Dict, type Inert, type PickleValue, Tuple } from '../pickle/values.js';

/** Classes that keep what they hold under one attribute, beside links to their parents. */
const CONTENT_ATTRIBUTES: readonly (readonly [classes: RegExp, attribute: string])[] = [
  [/^omegaconf\.(dictconfig|listconfig)\./, '_content'],
  [/^omegaconf\.nodes\./, '_val'],
  [/^ml_collections\./, '_fields'],
];

/** Dicts that pickle themselves as a call with their entries (mmengine's ConfigDict, defaultdict's copies …). */
const MADE_OF_A_DICT = /(^|\.)(ConfigDict|Dict|EasyDict|AttributeDict|AttrDict)$/;

/** mmengine's and mmcv's Config: its state is (entries, file name, text, …). */
const CONFIG = /^(mmengine\.config|mmcv\.utils)(\.config)?\.Config$/;

/**
 * Where an object's content is: its attributes (argparse.Namespace) and its entries (subclasses of dict). Items that
 * were added to it one by one, and what it was made of, tell nothing by themselves.
 */
export function contentOf(inert: Inert): PickleValue[] {
  const { className, state } = inert;
  const attribute = CONTENT_ATTRIBUTES.find(([classes]) => classes.test(className))?.[1];
  if (attribute !== undefined) {
    const content = state instanceof Dict ? state.get(attribute) : undefined;
    return content === undefined ? [] : [content];
  }
  const parts: PickleValue[] = [];
  const first = inert.args[0];
  if (MADE_OF_A_DICT.test(className) && first instanceof Dict) parts.push(first);
  if (CONFIG.test(className) && state instanceof Tuple && state.items.length > 0) parts.push(state.items[0]!);
  if (state instanceof Dict) parts.push(state);
  // Classes with __slots__ have (attributes, slots).
  else if (state instanceof Tuple && state.items.length === 2) {
    parts.push(...state.items.filter((part) => part instanceof Dict));
  }
  parts.push(inert);
  return parts;
}
