import { quote } from './quote.js';

/** Zip archives that turn up in a checkpoint's place, told by the names of their entries. */
const KINDS: readonly (readonly [entry: RegExp, what: string])[] = [
  [
    /(^|\/)(serialized_exported_program\.json|archive_format)$/,
    'a program of torch.export (.pt2); save its weights by torch.save(torch.export.load(FILE).state_dict, PATH)',
  ],
  [/(^|\/)model\.weights\.h5$/, 'a Keras model (.keras), which is not read'],
  [
    /(^|\/)saved_model\.pb$/,
    'a zipped TensorFlow SavedModel, which is not read; give the checkpoint it was made from',
  ],
  [/\.mlmodel$|\.mlpackage\//, 'a Core ML model, which is not read; give the checkpoint it was made from'],
  [/\.onnx$/, 'a zipped ONNX model, which is not read; give the checkpoint it was exported from'],
];

/** Checkpoints that people zip once more. */
const CHECKPOINT = /\.(pth|pt|bin|ckpt|safetensors|npz|pth\.tar)$/i;

/** What a zip archive without PyTorch's data.pkl is, and what to do, as the end of "expected …, found …". */
export function describeZip(names: readonly string[]): string {
  const files = names.filter((name) => !/(^|\/)(__MACOSX\/|\._)|\/$/.test(name));
  for (const [entry, what] of KINDS) if (files.some((name) => entry.test(name))) return what;
  if (files.some((name) => /(^|\/)model\.json$/.test(name)))
    return 'a zip archive around a converted folder (model.json); unpack it and give the folder';
  const inner = files.find((name) => CHECKPOINT.test(name));
  if (inner !== undefined) return `a zip archive around ${quote(inner)}; unpack it and give that file`;
  const some = files.slice(0, 3).map(quote).join(', ') || 'nothing';
  return `a zip archive without data.pkl (it holds ${some})`;
}
