import type { CheckpointMetadata } from '../formats/types.js';

/** The plain values beside a checkpoint's tensors, which stand there by dotted path. */
export interface Entries {
  text(path: string): string | undefined;
  /** A number, or a text that is one: safetensors keeps texts alone. */
  number(path: string): number | undefined;
  flag(path: string): boolean | undefined;
  has(path: string): boolean;
  /** The plain values and lists of them within a dict; undefined if there are none. */
  fields(path: string): Readonly<Record<string, unknown>> | undefined;
  /** A list of plain values, or one value as a list of one; undefined if there is none. */
  list(path: string): readonly (string | number | boolean)[] | undefined;
}

export function entriesOf(metadata: CheckpointMetadata): Entries {
  const at = (path: string) => (Object.hasOwn(metadata, path) ? metadata[path] : undefined);
  const number = (path: string) => {
    const value = at(path);
    if (typeof value === 'number') return value;
    if (typeof value !== 'string' || value.trim() === '') return undefined;
    return Number.isFinite(Number(value)) ? Number(value) : undefined;
  };
  const list = (path: string) => {
    const one = at(path);
    if (one !== undefined && one !== null) return [one];
    const items: (string | number | boolean)[] = [];
    for (let i = 0; ; i++) {
      const item = at(`${path}.${i}`);
      if (item === undefined || item === null) break;
      items.push(item);
    }
    return items.length > 0 ? items : undefined;
  };
  return {
    number,
    list,
    fields: (path) => {
      const start = `${path}.`;
      const fields: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(metadata)) {
        if (!key.startsWith(start)) continue;
        const name = key.slice(start.length).replace(/\..*/s, '');
        fields[name] = key === start + name ? value : list(start + name);
      }
      return Object.keys(fields).length > 0 ? fields : undefined;
    },
    text: (path) => {
      const value = at(path);
      return typeof value === 'string' && value !== '' ? value : undefined;
    },
    flag: (path) => {
      const value = at(path);
      return typeof value === 'boolean' ? value : undefined;
    },
    has: (path) => at(path) !== undefined || at(`${path}.0`) !== undefined,
  };
}
