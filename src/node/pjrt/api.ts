import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { UserError } from '../../errors.js';
import { howToInstall } from '../optionalPackages.js';

/**
 * The PJRT C API (openxla/xla, xla/pjrt/c/pjrt_c_api.h): how XLA's compilers and devices are reached in a shared library
 * called a plugin. Every function takes one struct: its size, an extension pointer, then fields of 8 bytes, of which the
 * last are set by the function. The ABI only appends, so a function's place in the table is fixed.
 */
const FUNCTIONS = [
  'Error_Destroy',
  'Error_Message',
  'Error_GetCode',
  'Plugin_Initialize',
  'Plugin_Attributes',
  'Event_Destroy',
  'Event_IsReady',
  'Event_Error',
  'Event_Await',
  'Event_OnReady',
  'Client_Create',
  'Client_Destroy',
  'Client_PlatformName',
  'Client_ProcessIndex',
  'Client_PlatformVersion',
  'Client_Devices',
  'Client_AddressableDevices',
  'Client_LookupDevice',
  'Client_LookupAddressableDevice',
  'Client_AddressableMemories',
  'Client_Compile',
  'Client_DefaultDeviceAssignment',
  'Client_BufferFromHostBuffer',
  'DeviceDescription_Id',
  'DeviceDescription_ProcessIndex',
  'DeviceDescription_Attributes',
  'DeviceDescription_Kind',
  'DeviceDescription_DebugString',
  'DeviceDescription_ToString',
  'Device_GetDescription',
  'Device_IsAddressable',
  'Device_LocalHardwareId',
  'Device_AddressableMemories',
  'Device_DefaultMemory',
  'Device_MemoryStats',
  'Memory_Id',
  'Memory_Kind',
  'Memory_DebugString',
  'Memory_ToString',
  'Memory_AddressableByDevices',
  'Executable_Destroy',
  'Executable_Name',
  'Executable_NumReplicas',
  'Executable_NumPartitions',
  'Executable_NumOutputs',
  'Executable_SizeOfGeneratedCodeInBytes',
  'Executable_GetCostAnalysis',
  'Executable_OutputMemoryKinds',
  'Executable_OptimizedProgram',
  'Executable_Serialize',
  'LoadedExecutable_Destroy',
  'LoadedExecutable_GetExecutable',
  'LoadedExecutable_AddressableDevices',
  'LoadedExecutable_Delete',
  'LoadedExecutable_IsDeleted',
  'LoadedExecutable_Execute',
  'Executable_DeserializeAndLoad',
  'LoadedExecutable_Fingerprint',
  'Buffer_Destroy',
  'Buffer_ElementType',
  'Buffer_Dimensions',
  'Buffer_UnpaddedDimensions',
  'Buffer_DynamicDimensionIndices',
  'Buffer_GetMemoryLayout',
  'Buffer_OnDeviceSizeInBytes',
  'Buffer_Device',
  'Buffer_Memory',
  'Buffer_Delete',
  'Buffer_IsDeleted',
  'Buffer_CopyToDevice',
  'Buffer_ToHostBuffer',
] as const;

export type PjrtFunction = (typeof FUNCTIONS)[number];

/** A pointer, as a number; 0n is NULL. */
export type Pointer = bigint;

/** Fields behind size and extension pointer; `undefined` ones are set by the function. */
export type Fields = readonly (Pointer | number | undefined)[];

/** Bytes of the head of PJRT_Api before its functions: size, extension, version struct. */
const HEAD_BYTES = 40;
/** Buffers from this size on are not taken from Node's shared pool, whose memory moves between uses. */
const UNPOOLED_BYTES = 8192;

/** Memory with an address of its own that stays. */
export function stableBuffer(bytes: number): Buffer {
  return Buffer.alloc(Math.max(UNPOOLED_BYTES, bytes));
}

/** The answer of a call: its struct after the function has run. */
export class PjrtAnswer {
  constructor(private readonly bytes: Buffer) {}

  /** Field `index` of those that were passed. */
  pointer(index: number): Pointer {
    return this.bytes.readBigUInt64LE(8 * (2 + index));
  }

  /** The same field, of an int. */
  int32(index: number): number {
    return this.bytes.readInt32LE(8 * (2 + index));
  }
}

/** Loaded plugins by their path, for the life of the process: koffi unloads one whose handle is collected. */
const libraries = new Map<string, Koffi.LibraryHandle>();

/** RTLD_NOW | RTLD_NODELETE of dlopen. */
const KEEP: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1002, darwin: 0x82 };

/** koffi unloads its libraries when the process ends, with the plugin's threads still in them: it would crash. */
function keepLoaded(koffi: typeof Koffi, path: string): void {
  const flags = KEEP[process.platform];
  if (flags === undefined) return;
  const dlopen = koffi.load(null).func('void *dlopen(const char *path, int flags)');
  dlopen(path, flags);
}

/** A plugin whose functions can be called. */
export class PjrtApi {
  private readonly table: ReadonlyMap<PjrtFunction, Pointer>;
  private readonly koffi: typeof Koffi;
  private readonly prototype: Koffi.TypeObject;
  /** Version of the C API that the plugin was built with, e.g. `0.112`. */
  readonly version: string;

  /**
   * @param path the plugin's shared library
   * @throws UserError if it cannot be loaded or is no PJRT plugin
   */
  constructor(readonly path: string) {
    this.koffi = loadKoffi();
    this.prototype = this.koffi.proto('void *', ['void *']);
    const api = this.open();
    const head = this.read(api, HEAD_BYTES);
    this.version = `${head.readInt32LE(32)}.${head.readInt32LE(36)}`;
    const size = Math.min(Number(head.readBigUInt64LE(0)), HEAD_BYTES + 8 * FUNCTIONS.length);
    const table = this.read(api, size);
    const count = Math.floor((size - HEAD_BYTES) / 8);
    this.table = new Map(
      FUNCTIONS.slice(0, count).map((name, i) => [name, table.readBigUInt64LE(HEAD_BYTES + 8 * i)]),
    );
    this.call('Plugin_Initialize', []);
  }

  private open(): Pointer {
    try {
      const library = libraries.get(this.path) ?? this.koffi.load(this.path, { global: true });
      if (!libraries.has(this.path)) keepLoaded(this.koffi, this.path);
      libraries.set(this.path, library);
      return this.koffi.address(library.func('void *GetPjrtApi()')());
    } catch (error) {
      throw new UserError(
        `${this.path}: is no PJRT plugin that can be loaded here (${(error as Error).message.split('\n')[0]})`,
        { cause: error },
      );
    }
  }

  /** Whether the plugin is CUDA's, by its file. */
  get isCuda(): boolean {
    return /cuda/i.test(this.path);
  }

  /** Where a buffer lies. */
  address(buffer: ArrayBufferView): Pointer {
    return this.koffi.address(buffer);
  }

  /** A copy of the bytes at an address. */
  read(at: Pointer, bytes: number): Buffer {
    return Buffer.from(new Uint8Array(this.koffi.view(at, bytes)).slice());
  }

  /** A text by its address and length, two fields of an answer. */
  text(answer: PjrtAnswer, index: number): string {
    return this.read(answer.pointer(index), Number(answer.pointer(index + 1))).toString();
  }

  /** Calls a function and waits. */
  call(name: PjrtFunction, fields: Fields): PjrtAnswer {
    const args = this.struct(fields);
    this.check(name, this.koffi.call(this.at(name), this.prototype, args));
    return new PjrtAnswer(args);
  }

  /** Calls a function on a thread of Node's pool. */
  async callAsync(name: PjrtFunction, fields: Fields): Promise<PjrtAnswer> {
    const args = this.struct(fields);
    const callable = this.koffi.decode(this.at(name), this.prototype) as Koffi.KoffiFunc<
      (args: Buffer) => unknown
    >;
    const error = await new Promise<unknown>((resolve, reject) => {
      callable.async(args, (failure: Error | null, result: unknown) => {
        if (failure) reject(failure);
        else resolve(result);
      });
    });
    this.check(name, error);
    return new PjrtAnswer(args);
  }

  /** A struct of the API: its size, no extension, the fields. */
  struct(fields: Fields): Buffer {
    const size = 8 * (2 + fields.length);
    const bytes = stableBuffer(size);
    bytes.writeBigUInt64LE(BigInt(size), 0);
    fields.forEach((value = 0, i) => {
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 8 * (2 + i));
    });
    return bytes;
  }

  private at(name: PjrtFunction): Pointer {
    const at = this.table.get(name);
    if (!at) throw new UserError(`${this.path}: PJRT ${this.version} has no ${name}; take a newer plugin`);
    return at;
  }

  private check(name: PjrtFunction, error: unknown): void {
    if (!error) return;
    const pointer = this.koffi.address(error);
    const message = this.struct([pointer, undefined, undefined]);
    this.koffi.call(this.at('Error_Message'), this.prototype, message);
    const text = this.text(new PjrtAnswer(message), 1);
    this.koffi.call(this.at('Error_Destroy'), this.prototype, this.struct([pointer]));
    throw new PjrtError(name, text);
  }
}

/** What a plugin says that it cannot do. */
export class PjrtError extends UserError {
  constructor(
    readonly where: PjrtFunction,
    readonly text: string,
  ) {
    super(`XLA (${where}): ${text.replace(/\n.*/s, '').slice(0, 500)}`);
  }

  /** Whether the device's memory was too small. */
  get outOfMemory(): boolean {
    return /RESOURCE_EXHAUSTED|out of memory/i.test(this.text);
  }
}

function loadKoffi(): typeof Koffi {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    growStacks(koffi);
    return koffi;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`XLA is called through the package koffi: \`${howToInstall('xla')}\``, {
      cause: error,
    });
  }
}

/** XLA's compiler for a GPU needs a thread's usual stack; koffi's calls have 2 MiB, on other threads 128 KiB, of their own. */
const STACK_BYTES = 16 * 2 ** 20;

function growStacks(koffi: typeof Koffi): void {
  const { sync_stack_size: sync = 0, async_stack_size: async = 0 } = koffi.config();
  if (sync >= STACK_BYTES && async >= STACK_BYTES) return;
  try {
    koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
  } catch {
    throw new UserError(
      'XLA needs larger stacks than koffi has in this process, which loaded a library by it before: load the model first, ' +
        `or call koffi.config({ sync_stack_size: ${STACK_BYTES}, async_stack_size: ${STACK_BYTES} }) first`,
    );
  }
}
