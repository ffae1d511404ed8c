/** Writes checkpoints byte by byte, sound or not. */

/** Bytes of a string of characters below 256. */
export function raw(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function little(value: number, bytes: number): string {
  let text = '';
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256))
    text += String.fromCharCode(rest % 256);
  return text;
}

export const u16 = (value: number) => little(value, 2);
export const u32 = (value: number) => little(value, 4);
export const u64 = (value: number) => little(value, 8);

/** Pieces of pickles, as strings of bytes. */
export const op = {
  start: '\x80\x02',
  stop: '.',
  text: (value: string) => `X${u32(value.length)}${value}`,
  int: (value: number) => (value >= 0 && value < 256 ? `K${little(value, 1)}` : long(BigInt(value))),
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  tuple: (...items: string[]) => `(${items.join('')}t`,
  list: (...items: string[]) => `](${items.join('')}e`,
  dict: (...pairs: string[]) => `}(${pairs.join('')}u`,
  call: (module: string, name: string, ...args: string[]) => `c${module}\n${name}\n(${args.join('')}tR`,
};

/** LONG1. */
function long(value: bigint): string {
  let bytes = '';
  for (let i = 0; i < 9; i++) bytes += String.fromCharCode(Number((value >> BigInt(8 * i)) & 255n));
  return `\x8a\x09${bytes}`;
}

export interface TensorParts {
  key?: string;
  type?: string;
  elements?: number;
  offset?: number;
  shape?: number[];
  stride?: number[];
  /** A legacy storage view: key, offset, elements. */
  view?: [string, number, number];
}

/** A tensor's pickle: its storage's persistent id in torch._utils._rebuild_tensor_v2. */
export function tensorPickle(parts: TensorParts = {}): string {
  const {
    key = '0',
    type = 'FloatStorage',
    elements = 6,
    offset = 0,
    shape = [2, 3],
    stride = [3, 1],
    view,
  } = parts;
  const viewParts = view === undefined ? [] : [op.tuple(op.text(view[0]), op.int(view[1]), op.int(view[2]))];
  const id = op.tuple(
    op.text('storage'),
    op.global('torch', type),
    op.text(key),
    op.text('cpu'),
    op.int(elements),
    ...viewParts,
  );
  return op.call(
    'torch._utils',
    '_rebuild_tensor_v2',
    `${id}Q`,
    op.int(offset),
    op.tuple(...shape.map(op.int)),
    op.tuple(...stride.map(op.int)),
    '\x89',
    op.call('collections', 'OrderedDict'),
  );
}

/** A state_dict of one tensor, `w`. */
export function stateDictPickle(parts: TensorParts = {}): string {
  return `${op.start}${op.dict(op.text('w'), tensorPickle(parts))}.`;
}

export interface ZipLies {
  /** Taken from the directory line of each entry of that name. */
  size?: number;
  offset?: number;
  method?: number;
  flags?: number;
  /** The entry's bytes as they are stored, if compressed. */
  stored?: Uint8Array;
}

/** A zip archive of stored entries; `lies` changes what the directory says of an entry. */
export function zipFile(
  entries: readonly (readonly [name: string, bytes: Uint8Array])[],
  lies: Record<string, ZipLies> = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, bytes] of entries) {
    const lie = lies[name] ?? {};
    const data = lie.stored ?? bytes;
    const fields = (size: number) =>
      `${u16(20)}${u16(lie.flags ?? 0)}${u16(lie.method ?? 0)}${u32(0)}${u32(0)}${u32(lie.stored?.length ?? size)}${u32(size)}${u16(name.length)}${u16(0)}`;
    parts.push(raw(`PK\x03\x04${fields(bytes.length)}${name}`), data);
    const line = `PK\x01\x02${u16(20)}${fields(lie.size ?? bytes.length)}${u16(0)}${u16(0)}${u16(0)}${u32(0)}`;
    directory.push(raw(`${line}${u32(lie.offset ?? offset)}${name}`));
    offset += 30 + name.length + data.length;
  }
  const lines = joinBytes(...directory);
  const count = u16(entries.length);
  const end = `PK\x05\x06${u32(0)}${count}${count}${u32(lines.length)}${u32(offset)}${u16(0)}`;
  return joinBytes(...parts, lines, raw(end));
}

/** A zip checkpoint with that pickle and one storage of `bytes`. */
export function zipCheckpoint(
  pickle: string,
  bytes: Uint8Array = floats(6),
  lies?: Record<string, ZipLies>,
): Uint8Array {
  const entries = [
    ['a/data.pkl', raw(pickle)],
    ['a/byteorder', raw('little')],
    ['a/data/0', bytes],
    ['a/version', raw('3\n')],
  ] as const;
  return zipFile(entries, lies);
}

export interface LegacyParts {
  littleEndian?: boolean;
  keys?: string[];
  /** What stands before the storage; its true count if left out. */
  count?: number;
}

/** A legacy checkpoint with that pickle and one storage of float32 `bytes`. */
export function legacyCheckpoint(
  pickle: string,
  bytes: Uint8Array = floats(6),
  parts: LegacyParts = {},
): Uint8Array {
  const { littleEndian = true, keys = ['0'], count = bytes.length / 4 } = parts;
  const magic = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';
  const system = `${op.start}${op.dict(op.text('little_endian'), littleEndian ? '\x88' : '\x89')}.`;
  const head = `${magic}${op.start}M\xe9\x03.${system}${pickle}${op.start}${op.list(...keys.map(op.text))}.`;
  return joinBytes(raw(`${head}${u64(count)}`), bytes);
}

/** A safetensors file. */
export function safetensorsFile(header: unknown, data: Uint8Array = floats(6)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  return joinBytes(raw(u64(json.length)), json, data);
}

/** 0, 1, 2, … as float32. */
export function floats(count: number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer);
}
