type Primitive = string | number | bigint | boolean | symbol | null | undefined;

type Frozen<T> = T extends Primitive ? T : T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/**
 * A copy of plain data (objects, arrays and values in them) that nobody can write to, at any depth: what is handed out
 * and read again later. In strict mode, as in every module, a write to it throws.
 */
export function frozen<T>(value: T): Frozen<T> {
  if (Array.isArray(value)) return Object.freeze(value.map(frozen)) as Frozen<T>;
  if (typeof value !== 'object' || value === null) return value as Frozen<T>;
  const entries = Object.entries(value).map(([name, inner]) => [name, frozen(inner)]);
  return Object.freeze(Object.fromEntries(entries)) as Frozen<T>;
}

/** Gives an object fields of such copies, which cannot be assigned to either. */
export function showFrozen<T extends object, F extends Partial<T>>(target: T, fields: F): T {
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(target, name, { value: frozen(value), enumerable: true, writable: false });
  }
  return target;
}
