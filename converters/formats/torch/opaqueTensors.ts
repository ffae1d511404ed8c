import { Inert, type PickleValue, Tuple } from '../pickle/values.js';
import { quote } from '../quote.js';
import { type OPAQUE_NAMES, TorchGlobal } from './globals.js';
import { TorchStorage, TorchTensor } from './tensors.js';

type OpaqueName = (typeof OPAQUE_NAMES)[number];

/** Which arguments (torch/_utils.py) tell dtype and shape, and what such a tensor is. */
interface OpaqueKind {
  readonly dtype: number;
  readonly shape: number;
  readonly what: string;
}

const OPAQUE: Readonly<Record<OpaqueName, OpaqueKind>> = {
  _rebuild_qtensor: { dtype: 0, shape: 2, what: 'it is quantised; save it by tensor.dequantize()' },
  _rebuild_meta_tensor_no_storage: {
    dtype: 0,
    shape: 1,
    what: 'it was saved on the device "meta", which keeps no values',
  },
  _rebuild_wrapper_subclass: {
    dtype: 1,
    shape: 2,
    what: 'it is a tensor subclass that wraps other tensors',
  },
  _rebuild_nested_tensor: { dtype: 0, shape: 0, what: 'it is a nested tensor' },
  _rebuild_device_tensor_from_numpy: { dtype: 1, shape: 0, what: 'it was on a device of its own' },
  _rebuild_device_tensor_from_cpu_tensor: { dtype: 1, shape: 0, what: 'it was on a device of its own' },
  _rebuild_xla_tensor: { dtype: 1, shape: 0, what: 'it was on an XLA device' },
};

/** The tensor that one of OPAQUE_NAMES stands for, not to be read. `global` is its name with the module's. */
export function opaqueTensor(global: string, args: readonly PickleValue[]): TorchTensor {
  const name = global.slice(global.lastIndexOf('.') + 1) as OpaqueName;
  const { dtype, shape, what } = OPAQUE[name];
  return new TorchTensor({ dtype: dtypeOf(args[dtype]), shape: shapeOf(args[shape]), reason: what });
}

/** _rebuild_sparse_tensor: (layout, (indices, values, size …)), with two kinds of indices in compressed layouts. */
export function sparseTensor([, data]: readonly PickleValue[]): TorchTensor {
  const parts = data instanceof Tuple ? data.items : [];
  const values = parts.filter((part) => part instanceof TorchTensor);
  const size = parts.find((part) => part instanceof Tuple);
  return new TorchTensor({
    dtype: dtypeOf(values.at(-1)),
    shape: shapeOf(size),
    reason: 'it is sparse; save it by tensor.to_dense()',
  });
}

/** What a function that is not known makes of a tensor or a storage, or undefined if it was given neither. */
export function tensorOfUnknown(name: string, args: readonly PickleValue[]): TorchTensor | undefined {
  const part = args.find((arg) => arg instanceof TorchTensor || arg instanceof TorchStorage);
  if (part === undefined) return undefined;
  return new TorchTensor({
    dtype: dtypeOf(part),
    shape: shapeOf(part),
    reason: `it is made by ${quote(name)}, which is not known; nothing was run`,
  });
}

function dtypeOf(value: PickleValue | undefined): string {
  if (value instanceof TorchTensor || value instanceof TorchStorage) return value.dtype;
  return value instanceof TorchGlobal && value.role.kind === 'dtype' ? value.role.dtype : 'unknown';
}

/** Empty where nothing tells it. */
function shapeOf(value: PickleValue | undefined): readonly number[] {
  if (value instanceof TorchTensor) return value.shape;
  if (value instanceof TorchStorage) return [value.elements];
  // A NumPy array's state is (version, shape, …).
  const state = value instanceof Inert ? value.state : null;
  const sizes = state instanceof Tuple ? state.items[1] : value;
  const items = sizes instanceof Tuple ? sizes.items : [];
  const isShape = items.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0);
  return isShape && items.length <= 64 ? (items as number[]) : [];
}
