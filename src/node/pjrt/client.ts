import type { ElementType } from '../../engines/pjrt/stablehlo.js';
import { type PjrtAnswer, type PjrtApi, type Pointer, stableBuffer } from './api.js';

/** PJRT_Buffer_Type of each element type. */
const BUFFER_TYPES: Readonly<Record<ElementType, number>> = { f16: 10, f32: 11, bf16: 13 };

/** PJRT_NamedValue's types and its size in bytes. */
const NAMED_VALUE = { bytes: 56, string: 0, integer: 1, float: 3, boolean: 4 } as const;

/** CompileOptionsProto { executable_build_options { device_ordinal: -1, num_replicas: 1, num_partitions: 1 } }. */
const COMPILE_OPTIONS = Uint8Array.from([
  0x1a, 15, 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0x20, 1, 0x28, 1,
]);

/** Until when a plugin may read what is uploaded: kImmutableOnlyDuringCall, kImmutableUntilTransferCompletes. */
const READ = { duringCall: 0, untilTransferred: 1 } as const;

/** A program that was compiled for the device. */
export interface Executable {
  readonly handle: Pointer;
}

/** A buffer on the device, and the event of its values' arrival. */
export interface Transfer {
  readonly buffer: Pointer;
  readonly event: Pointer;
}

/** Options of a client by the names that the plugin knows, e.g. {preallocate: false}. */
export type ClientOptions = Readonly<Record<string, string | bigint | number | boolean>>;

/** A plugin's first device: memory, programs, runs. */
export class PjrtClient {
  private readonly client: Pointer;
  private readonly device: Pointer;
  /** e.g. `cuda`, `cpu`. */
  readonly platform: string;
  readonly platformVersion: string;
  /** What the device calls itself, e.g. `NVIDIA H100 80GB HBM3`. */
  readonly deviceKind: string;
  readonly deviceCount: number;

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
    const devices = api.call('Client_AddressableDevices', [this.client, undefined, undefined]);
    this.deviceCount = Number(devices.pointer(2));
    this.device = api.read(devices.pointer(1), 8).readBigUInt64LE(0);
    this.platform = api.text(api.call('Client_PlatformName', [this.client, undefined, undefined]), 1);
    this.platformVersion = api.text(
      api.call('Client_PlatformVersion', [this.client, undefined, undefined]),
      1,
    );
    const description = api.call('Device_GetDescription', [this.device, undefined]).pointer(1);
    this.deviceKind = api.text(api.call('DeviceDescription_Kind', [description, undefined, undefined]), 1);
  }

  /** Compiles StableHLO text for the device, which takes seconds on a GPU. */
  compile(text: string): Executable {
    const { fields, held } = this.compileArguments(text);
    const compiled = this.api.call('Client_Compile', fields);
    held.length = 0;
    return { handle: compiled.pointer(4) };
  }

  /** The same on a thread of Node's pool. */
  async compileAsync(text: string): Promise<Executable> {
    const { fields, held } = this.compileArguments(text);
    const compiled = await this.api.callAsync('Client_Compile', fields);
    held.length = 0;
    return { handle: compiled.pointer(4) };
  }

  /** `held` is what the fields point to, to be kept until the call has ended. */
  private compileArguments(text: string): { fields: (Pointer | number | undefined)[]; held: Buffer[] } {
    const { api } = this;
    const code = stableBuffer(Buffer.byteLength(text));
    const length = code.write(text);
    const format = stableBuffer(4);
    format.write('mlir');
    const program = api.struct([api.address(code), length, api.address(format), 4]);
    const options = stableBuffer(COMPILE_OPTIONS.length);
    options.set(COMPILE_OPTIONS);
    const fields = [
      this.client,
      api.address(program),
      api.address(options),
      COMPILE_OPTIONS.length,
      undefined,
    ];
    return { fields, held: [code, format, program, options] };
  }

  /** A compiled program as bytes that `deserialize` of the same plugin and device takes. */
  serialize(executable: Executable): Uint8Array {
    const { api } = this;
    const plain = api.call('LoadedExecutable_GetExecutable', [executable.handle, undefined]).pointer(1);
    try {
      const answer = api.call('Executable_Serialize', [plain, ...new Array<undefined>(4).fill(undefined)]);
      return new Uint8Array(api.read(answer.pointer(1), Number(answer.pointer(2))));
    } finally {
      api.call('Executable_Destroy', [plain]);
    }
  }

  /** The program that `serialize` wrote; a PjrtError if this plugin or device cannot run it. */
  deserialize(bytes: Uint8Array): Executable {
    const { api } = this;
    const copy = stableBuffer(bytes.length);
    copy.set(bytes);
    const loaded = api.call('Executable_DeserializeAndLoad', [
      this.client,
      api.address(copy),
      bytes.length,
      undefined,
      0,
      0,
    ]);
    return { handle: loaded.pointer(3) };
  }

  /** Copies values to the device; the result is freed by `free`. */
  upload(values: ArrayBufferView, shape: readonly number[], type: ElementType): Pointer {
    const { buffer, event } = this.transfer(values, shape, type, READ.duringCall);
    this.await(event);
    return buffer;
  }

  /**
   * Starts to copy values to the device, on threads of the plugin. They may not change, nor be collected, before what was
   * computed of them is there; then `event` is to be given to `freeEvent`.
   */
  startUpload(values: ArrayBufferView, shape: readonly number[], type: ElementType): Transfer {
    return this.transfer(values, shape, type, READ.untilTransferred);
  }

  private transfer(
    values: ArrayBufferView,
    shape: readonly number[],
    type: ElementType,
    read: number,
  ): Transfer {
    const { api } = this;
    const dims = stableBuffer(8 * shape.length);
    shape.forEach((side, i) => {
      dims.writeBigInt64LE(BigInt(side), 8 * i);
    });
    const answer = api.call('Client_BufferFromHostBuffer', [
      this.client,
      api.address(values),
      BUFFER_TYPES[type],
      api.address(dims),
      shape.length,
      0, // byte strides: dense
      0,
      read,
      this.device,
      0, // memory: the device's own
      0, // layout: row-major
      undefined,
      undefined,
    ]);
    return { event: answer.pointer(11), buffer: answer.pointer(12) };
  }

  /** Starts a program of one result; a GPU computes while this returns, and `download` waits. */
  execute(executable: Executable, buffers: readonly Pointer[]): Pointer {
    const { api } = this;
    const inputs = stableBuffer(8 * buffers.length);
    buffers.forEach((buffer, i) => {
      inputs.writeBigUInt64LE(buffer, 8 * i);
    });
    const lists = api.struct([]);
    lists.writeBigUInt64LE(api.address(inputs), 0);
    const output = stableBuffer(8);
    const outputs = stableBuffer(8);
    outputs.writeBigUInt64LE(api.address(output), 0);
    const options = api.struct(new Array<number>(12).fill(0));
    api.call('LoadedExecutable_Execute', [
      executable.handle,
      api.address(options),
      api.address(lists),
      1,
      buffers.length,
      api.address(outputs),
      0,
      0,
    ]);
    return output.readBigUInt64LE(0);
  }

  /** Copies float32 values from the device, waiting for them. */
  download(buffer: Pointer, count: number): Float32Array {
    const { values, event } = this.startDownload(buffer, count);
    this.await(event);
    return values;
  }

  /** The same without blocking the event loop. */
  async downloadAsync(buffer: Pointer, count: number): Promise<Float32Array> {
    const { values, event } = this.startDownload(buffer, count);
    if (event !== 0n) {
      await this.api.callAsync('Event_Await', [event]);
      this.api.call('Event_Destroy', [event]);
    }
    return values;
  }

  private startDownload(buffer: Pointer, count: number): { values: Float32Array; event: Pointer } {
    const bytes = stableBuffer(4 * count);
    const answer: PjrtAnswer = this.api.call('Buffer_ToHostBuffer', [
      buffer,
      0, // layout: row-major
      this.api.address(bytes),
      4 * count,
      undefined,
    ]);
    return { values: new Float32Array(bytes.buffer, bytes.byteOffset, count), event: answer.pointer(4) };
  }

  /** Waits for an event, and destroys it. */
  await(event: Pointer): void {
    if (event === 0n) return;
    this.api.call('Event_Await', [event]);
    this.api.call('Event_Destroy', [event]);
  }

  freeEvent(event: Pointer): void {
    if (event !== 0n) this.api.call('Event_Destroy', [event]);
  }

  free(buffer: Pointer): void {
    this.api.call('Buffer_Destroy', [buffer]);
  }

  freeExecutable({ handle }: Executable): void {
    this.api.call('LoadedExecutable_Destroy', [handle]);
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
