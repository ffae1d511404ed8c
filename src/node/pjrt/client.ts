import { UserError } from '../../errors.js';
import { type PjrtAnswer, type PjrtApi, type Pointer, stableBuffer } from './api.js';
import { PjrtDevice } from './device.js';

/** PJRT_NamedValue's types and its size in bytes. */
const NAMED_VALUE = { bytes: 56, string: 0, integer: 1, float: 3, boolean: 4 } as const;

/** Options of a client by the names that the plugin knows, e.g. {preallocate: false}. */
export type ClientOptions = Readonly<Record<string, string | bigint | number | boolean>>;

/** A plugin that was started, and the devices that it has here. */
export class PjrtClient {
  private readonly client: Pointer;
  /** e.g. `cuda`, `cpu`. */
  readonly platform: string;
  readonly platformVersion: string;
  /** At least one. */
  readonly devices: readonly PjrtDevice[];

  constructor(
    private readonly api: PjrtApi,
    options: ClientOptions = {},
  ) {
    const { values, count, held } = namedValues(api, options);
    const created = api.call('Client_Create', [
      count > 0 ? api.address(values) : 0n,
      count,
      ...new Array<number>(8).fill(0),
    ]);
    held.length = 0;
    this.client = created.pointer(6);
    this.platform = this.text('Client_PlatformName');
    this.platformVersion = this.text('Client_PlatformVersion');
    const platform = { name: this.platform, version: this.platformVersion };
    const found: PjrtAnswer = api.call('Client_AddressableDevices', [this.client, undefined, undefined]);
    const handles = api.read(found.pointer(1), 8 * Number(found.pointer(2)));
    this.devices = Array.from(
      { length: handles.length / 8 },
      (_, i) => new PjrtDevice(api, this.client, platform, handles.readBigUInt64LE(8 * i), i),
    );
    if (this.devices.length === 0) throw new UserError(`${api.path}: ${this.platform} has no device here`);
  }

  private text(name: 'Client_PlatformName' | 'Client_PlatformVersion'): string {
    return this.api.text(this.api.call(name, [this.client, undefined, undefined]), 1);
  }

  dispose(): void {
    this.api.call('Client_Destroy', [this.client]);
  }
}

/** An array of PJRT_NamedValue; `held` is what it points to, to be kept while it is read. */
function namedValues(
  api: PjrtApi,
  options: ClientOptions,
): { values: Buffer; count: number; held: Buffer[] } {
  const entries = Object.entries(options);
  const values = stableBuffer(NAMED_VALUE.bytes * entries.length);
  const held: Buffer[] = [];
  const textAt = (text: string) => {
    const buffer = stableBuffer(Buffer.byteLength(text) + 1);
    buffer.write(text);
    held.push(buffer);
    return api.address(buffer);
  };
  entries.forEach(([name, value], i) => {
    const at = NAMED_VALUE.bytes * i;
    values.writeBigUInt64LE(BigInt(NAMED_VALUE.bytes), at);
    values.writeBigUInt64LE(textAt(name), at + 16);
    values.writeBigUInt64LE(BigInt(Buffer.byteLength(name)), at + 24);
    const write = (type: number, length: number) => {
      values.writeInt32LE(type, at + 32);
      values.writeBigUInt64LE(BigInt(length), at + 48);
    };
    if (typeof value === 'string') {
      values.writeBigUInt64LE(textAt(value), at + 40);
      write(NAMED_VALUE.string, Buffer.byteLength(value));
    } else if (typeof value === 'bigint') {
      values.writeBigInt64LE(value, at + 40);
      write(NAMED_VALUE.integer, 1);
    } else if (typeof value === 'number') {
      values.writeFloatLE(value, at + 40);
      write(NAMED_VALUE.float, 1);
    } else {
      values.writeUInt8(value ? 1 : 0, at + 40);
      write(NAMED_VALUE.boolean, 1);
    }
  });
  return { values, count: entries.length, held };
}
