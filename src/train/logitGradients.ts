import type { Distillation } from './loss.js';

/** What the loss of some images depends on. */
export interface LossRows {
  /** Logits [count, width]: of one head, or of the class head and then the distillation head. */
  readonly logits: Float32Array;
  readonly width: number;
  /** [count, classes], each row a distribution. */
  readonly targets: Float32Array;
  /** [count, classes]; needed unless distillation is `none`. */
  readonly teacherLogits?: Float32Array;
  readonly classes: number;
}

/** Sums over the images, and the gradient of the mean loss by the logits. */
export interface LogitGradients {
  base: number;
  teacher: number;
  /** [count, width] */
  readonly gradient: Float32Array;
}

/**
 * The losses of distillationLoss for rows of a batch, added up over the rows, and their gradient. What is added up is
 * divided by `images`: rows that go through in parts add up to the loss of the whole.
 *
 * @param images how many images the loss is the mean of
 */
export function logitGradients(
  { logits, width, targets, teacherLogits, classes }: LossRows,
  { type, alpha, tau }: Distillation,
  images: number,
): LogitGradients {
  const gradient = new Float32Array(logits.length);
  const result: LogitGradients = { base: 0, teacher: 0, gradient };
  if (type !== 'none' && (!teacherLogits || width !== 2 * classes)) {
    throw new Error('distillation takes a student with a distillation head, and the logits of a teacher');
  }
  const baseWeight = type === 'none' ? 1 : 1 - alpha;
  const part = (values: Float32Array, row: number, stride: number, from = 0) =>
    values.subarray(row * stride + from, row * stride + from + classes);
  for (let row = 0; row * width < logits.length; row++) {
    const head = part(logits, row, width);
    const dHead = part(gradient, row, width);
    result.base += crossEntropy(head, part(targets, row, classes), baseWeight / images, dHead) / images;
    if (type === 'none') continue;
    const dist = part(logits, row, width, classes);
    const dDist = part(gradient, row, width, classes);
    const teacher = part(teacherLogits!, row, classes);
    result.teacher +=
      type === 'hard'
        ? crossEntropy(dist, choiceOf(teacher), alpha / images, dDist) / images
        : divergence(dist, teacher, tau, alpha, images, dDist);
  }
  return result;
}

/** −Σ target · log softmax(logits); its gradient times `factor` to `gradient`. */
function crossEntropy(
  logits: Float32Array,
  target: ArrayLike<number>,
  factor: number,
  gradient: Float32Array,
): number {
  const { logs, probabilities } = softmax(logits, 1);
  let loss = 0;
  let mass = 0;
  for (let i = 0; i < logs.length; i++) {
    // As PyTorch and tfjs: 0 · −∞ is no number either.
    loss -= target[i]! * logs[i]!;
    mass += target[i]!;
  }
  for (let i = 0; i < logs.length; i++) gradient[i] = factor * (probabilities[i]! * mass - target[i]!);
  return loss;
}

/** τ² / (images · classes) · KL(teacher ‖ student), both softened by τ. */
function divergence(
  student: Float32Array,
  teacher: Float32Array,
  tau: number,
  alpha: number,
  images: number,
  gradient: Float32Array,
): number {
  const ofStudent = softmax(student, tau);
  const ofTeacher = softmax(teacher, tau);
  const factor = (tau * tau) / (images * student.length);
  let sum = 0;
  for (let i = 0; i < student.length; i++) {
    const probability = ofTeacher.probabilities[i]!;
    sum += probability * (ofTeacher.logs[i]! - ofStudent.logs[i]!);
    gradient[i] = ((alpha * factor) / tau) * (ofStudent.probabilities[i]! - probability);
  }
  return sum * factor;
}

/** softmax(logits / τ) and its logarithm, in doubles. Plain loops: for a batch of ImageNet's classes the rest takes longer. */
function softmax(logits: Float32Array, tau: number): { logs: Float64Array; probabilities: Float64Array } {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!);
  const logs = new Float64Array(logits.length);
  const probabilities = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    logs[i] = (logits[i]! - most) / tau;
    probabilities[i] = Math.exp(logs[i]!);
    sum += probabilities[i]!;
  }
  const logSum = Math.log(sum);
  for (let i = 0; i < logits.length; i++) {
    logs[i]! -= logSum;
    probabilities[i]! /= sum;
  }
  return { logs, probabilities };
}

/** 1 for the most probable class, the first of equals; 0 for the others. */
function choiceOf(teacher: Float32Array): Float32Array {
  let best = 0;
  for (let i = 0; i < teacher.length; i++) if (teacher[i]! > teacher[best]!) best = i;
  const choice = new Float32Array(teacher.length);
  choice[best] = 1;
  return choice;
}
