import { DTYPE_NAMES } from '../dtypes.js';
import { Global } from '../pickle/values.js';

/**
 * What stands for a name out of a checkpoint's pickle:
 * dict: what it makes is read as a dict; tuple: as a tuple; inert: as a placeholder that holds what is put into it;
 * unknown: as one of which nothing is believed; newObject: it makes one of the class that it is given; type: it may be
 * named, not called; storage: the element type of a storage; the rest: PyTorch's ways to write a tensor.
 */
export type TorchRole =
  | { readonly kind: 'dict' | 'tuple' | 'inert' | 'unknown' | 'newObject' | 'type' }
  | { readonly kind: 'storage'; readonly dtype: string }
  | { readonly kind: 'dtype'; readonly dtype: string }
  | {
      readonly kind:
        | 'rebuildTensor'
        | 'rebuildTensorV3'
        | 'rebuildParameter'
        | 'rebuildFromType'
        | 'rebuildSparse'
        | 'rebuildOpaque';
    };

/** A name of a checkpoint. */
export class TorchGlobal extends Global {
  constructor(
    name: string,
    readonly role: TorchRole,
  ) {
    super(name);
  }
}

/** PyTorch's ways to write tensors that are more than elements in strides, whose values are not read. */
export const OPAQUE_NAMES = [
  '_rebuild_qtensor',
  '_rebuild_meta_tensor_no_storage',
  '_rebuild_wrapper_subclass',
  '_rebuild_nested_tensor',
  '_rebuild_device_tensor_from_numpy',
  '_rebuild_device_tensor_from_cpu_tensor',
  '_rebuild_xla_tensor',
] as const;

/** Names by module, for each role. What is made by any other name is unknown: no tensor is taken from it. */
const NAMES: readonly (readonly [TorchRole, module: string, names: string])[] = [
  [{ kind: 'rebuildTensor' }, 'torch._utils', '_rebuild_tensor _rebuild_tensor_v2'],
  [{ kind: 'rebuildTensorV3' }, 'torch._utils', '_rebuild_tensor_v3'],
  [{ kind: 'rebuildParameter' }, 'torch._utils', '_rebuild_parameter _rebuild_parameter_with_state'],
  [{ kind: 'rebuildSparse' }, 'torch._utils', '_rebuild_sparse_tensor'],
  [{ kind: 'rebuildOpaque' }, 'torch._utils', OPAQUE_NAMES.join(' ')],
  [{ kind: 'rebuildFromType' }, 'torch._tensor', '_rebuild_from_type_v2'],
  [{ kind: 'type' }, 'torch', 'Tensor'],
  [{ kind: 'type' }, 'torch.nn.parameter', 'Parameter Buffer'],
  [{ kind: 'type' }, 'torchvision.tv_tensors._image', 'Image'],
  [{ kind: 'type' }, 'fastai.torch_core', 'TensorBase TensorImage TensorCategory'],
  [{ kind: 'tuple' }, 'torch', 'Size'],
  [{ kind: 'dict' }, 'collections', 'OrderedDict Counter'],
  [{ kind: 'inert' }, 'torch', 'device layout memory_format Generator'],
  [{ kind: 'inert' }, 'torch.serialization', '_get_layout'],
  [{ kind: 'inert' }, 'argparse', 'Namespace'],
  [{ kind: 'inert' }, 'types', 'SimpleNamespace'],
  [{ kind: 'inert' }, 'collections', 'defaultdict deque'],
  [{ kind: 'inert' }, 'datetime', 'datetime date time timedelta timezone'],
  [{ kind: 'inert' }, 'pathlib', 'Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath'],
  [{ kind: 'inert' }, 'pathlib._local', 'Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath'],
  [{ kind: 'inert' }, '_codecs', 'encode'],
  [{ kind: 'newObject' }, 'copyreg', '_reconstructor __newobj__'],
  [
    { kind: 'inert' },
    'builtins',
    'set frozenset slice range xrange complex bytes bytearray object list dict tuple int long float str unicode bool',
  ],
  [
    { kind: 'inert' },
    'numpy',
    'ndarray dtype matrix bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64',
  ],
  [{ kind: 'inert' }, 'numpy', 'float16 float32 float64'],
  [{ kind: 'inert' }, 'numpy.core.multiarray', '_reconstruct scalar'],
  [{ kind: 'inert' }, 'numpy._core.multiarray', '_reconstruct scalar'],
  [{ kind: 'inert' }, 'numpy.core.numeric', '_frombuffer'],
  [{ kind: 'inert' }, 'numpy._core.numeric', '_frombuffer'],
  [
    { kind: 'inert' },
    'numpy.dtypes',
    'Float16DType Float32DType Float64DType Int32DType Int64DType BoolDType',
  ],
];

/** Python 2 and old NumPy wrote the same things under these names. */
const MODULE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
]);

const STORAGE_DTYPES: readonly (readonly [string, string])[] = [
  ['DoubleStorage', 'float64'],
  ['FloatStorage', 'float32'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
  ['UntypedStorage', 'uint8'],
  ['ComplexFloatStorage', 'complex64'],
  ['ComplexDoubleStorage', 'complex128'],
  ['QInt8Storage', 'qint8'],
  ['QUInt8Storage', 'quint8'],
  ['QInt32Storage', 'qint32'],
  ['QUInt4x2Storage', 'quint4x2'],
  ['QUInt2x4Storage', 'quint2x4'],
];

/**
 * What loading such a name is for is to run something. No training script writes one, so the file is an attack, and is
 * refused whole, though nothing in it could do anything here.
 */
const ATTACKS: ReadonlyMap<string, ReadonlySet<string> | 'all'> = new Map<
  string,
  ReadonlySet<string> | 'all'
>([
  ...'os posix nt subprocess pty popen2 runpy socket shutil ctypes webbrowser importlib'
    .split(' ')
    .map((module): [string, 'all'] => [module, 'all']),
  ['builtins', new Set('eval exec execfile compile open __import__ input breakpoint exit quit'.split(' '))],
  // People have packages of these names as well.
  ['code', new Set(['interact', 'InteractiveInterpreter', 'InteractiveConsole'])],
  ['commands', new Set(['getoutput', 'getstatusoutput'])],
  ['pdb', new Set('run runeval runcall runctx set_trace'.split(' '))],
  ['torch.hub', 'all'],
]);

/** By module, then by name. */
const GLOBALS: ReadonlyMap<string, ReadonlyMap<string, TorchGlobal>> = makeTable();

/** The global of that name, or undefined if it is not on the list. */
export function findTorchGlobal(module: string, name: string): TorchGlobal | undefined {
  return GLOBALS.get(MODULE_ALIASES.get(module) ?? module)?.get(name);
}

/** Whether a pickle names such a thing for no other end than to run code when it is loaded by Python. */
export function isAttack(module: string, name: string): boolean {
  // A dotted name walks on from the module, and a submodule is as good as its parent.
  const parts = `${MODULE_ALIASES.get(module) ?? module}.${name}`.split('.', 8);
  return parts.some((_, end) => {
    const names = ATTACKS.get(parts.slice(0, end).join('.'));
    return names === 'all' || names?.has(parts[end]!) === true;
  });
}

function makeTable(): Map<string, Map<string, TorchGlobal>> {
  const table = new Map<string, Map<string, TorchGlobal>>();
  const add = (module: string, name: string, role: TorchRole) => {
    const names = table.get(module) ?? new Map<string, TorchGlobal>();
    table.set(module, names.set(name, new TorchGlobal(`${module}.${name}`, role)));
  };
  for (const [role, module, names] of NAMES) {
    for (const name of names.split(' ')) add(module, name, role);
  }
  for (const [name, dtype] of STORAGE_DTYPES) {
    for (const module of ['torch', 'torch.cuda', 'torch.storage'])
      add(module, name, { kind: 'storage', dtype });
  }
  for (const dtype of DTYPE_NAMES) add('torch', dtype, { kind: 'dtype', dtype });
  return table;
}
