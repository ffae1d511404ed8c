import type { ElementType } from '../../engines/pjrt/stablehlo.js';
import { type PjrtAnswer, type PjrtApi, type Pointer, stableBuffer } from './api.js';

/** PJRT_Buffer_Type of each element type. */
const BUFFER_TYPES: Readonly<Record<ElementType, number>> = { f16: 10, f32: 11, bf16: 13 };

/** Until when a plugin may read what is uploaded: kImmutableOnlyDuringCall, kImmutableUntilTransferCompletes. */
const READ = { duringCall: 0, untilTransferred: 1 } as const;

/** ExecutableBuildOptionsProto { device_ordinal: -1, num_replicas: 1, num_partitions: 1 }. */
const BUILD_OPTIONS = [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0x20, 1, 0x28, 1];

/** A program that was compiled for the device. */
export interface Executable {
  readonly handle: Pointer;
}

/** A buffer on the device, and the event of its values' arrival. */
export interface Transfer {
  readonly buffer: Pointer;
  readonly event: Pointer;
}

/** What a plugin computes on, e.g. {name: 'cuda', version: '…'}. */
export interface Platform {
  readonly name: string;
  readonly version: string;
}

/** One of a plugin's devices: memory, programs, runs. */
export class PjrtDevice {
  /** What the device calls itself, e.g. `NVIDIA H100 80GB HBM3`. */
  readonly kind: string;
  private readonly compileOptions: readonly number[];

  constructor(
    private readonly api: PjrtApi,
    private readonly client: Pointer,
    readonly platform: Platform,
    private readonly device: Pointer,
    /** Its place among the devices of the client. */
    readonly index: number,
  ) {
    const description = api.call('Device_GetDescription', [device, undefined]).pointer(1);
    this.kind = api.text(api.call('DeviceDescription_Kind', [description, undefined, undefined]), 1);
    // Without an assignment a program is compiled for the first.
    const id = api.call('DeviceDescription_Id', [description, undefined]).int32(1);
    this.compileOptions = compileOptions(index === 0 ? undefined : id);
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
    const options = stableBuffer(this.compileOptions.length);
    options.set(this.compileOptions);
    const fields = [
      this.client,
      api.address(program),
      api.address(options),
      this.compileOptions.length,
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
    try {
      this.await(event);
    } catch (error) {
      this.free(buffer); // a GPU may take the buffer and then find no memory for it
      throw error;
    }
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
      try {
        await this.api.callAsync('Event_Await', [event]);
      } finally {
        this.api.call('Event_Destroy', [event]);
      }
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
    try {
      this.api.call('Event_Await', [event]);
    } finally {
      this.api.call('Event_Destroy', [event]);
    }
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
}

/**
 * CompileOptionsProto { executable_build_options } of one replica and one partition, on the device of an id where there is
 * one: device_assignment { replica_count: 1, computation_count: 1, computation_devices { replica_device_ids: id } }.
 */
function compileOptions(id: number | undefined): number[] {
  const message = (field: number, bytes: readonly number[]) => [
    ...varint(8 * field + 2),
    ...varint(bytes.length),
    ...bytes,
  ];
  const assignment = id === undefined ? [] : [0x08, 1, 0x10, 1, ...message(3, [0x08, ...varint(id)])];
  return message(3, [...BUILD_OPTIONS, ...(id === undefined ? [] : message(9, assignment))]);
}

/** A whole number of at least 0 in seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
