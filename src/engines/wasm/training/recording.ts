/** Records a forward pass and its backward pass. */
import type { ConvolutionOps } from '../../../ops/convolutionInterface.js';
import type { Ops } from '../../../ops/interface.js';
import { ConvolutionRecorder } from './convolutionRecorder.js';
import { type Recording, type RecordOptions, Untrainable, type Value } from './record.js';

/** From images [B, H, W, C] to one row an image, e.g. logits [B, classes]. */
export type TrainingForward = (ops: Ops<Value> & ConvolutionOps<Value>, images: Value) => Value;

export function record(forward: TrainingForward, options: RecordOptions): Recording {
  const { batch, imageShape } = options;
  const [height, width, channels] = imageShape;
  const images: Value = {
    operand: { bytes: batch * height * width * channels * 4 + 64, stride: width * channels * 4 },
    tokens: undefined,
    width: height * width * channels,
    learns: false,
    imageShape,
  };
  const recorder = new ConvolutionRecorder(options);
  const output = forward(recorder, images);
  if (output.tokens !== undefined) throw new Untrainable('a forward pass must end with one row an image');
  const { operand: outputGradient } = recorder.value(undefined, output.width);
  const forwardSteps = recorder.steps.splice(0);
  if (options.training) recorder.goBack(output, outputGradient);
  return {
    images: images.operand,
    output,
    outputGradient,
    forward: forwardSteps,
    backward: recorder.steps,
    dropPaths: recorder.dropPaths,
    reached: recorder.reached,
    running: recorder.running,
  };
}
