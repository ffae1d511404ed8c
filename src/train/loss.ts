import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';

/** How a student learns from its teacher (DeiT, arXiv 2012.12877, section 3). */
export interface Distillation {
  /** `soft`: match the teacher's distribution; `hard`: take the teacher's choice for a label. */
  readonly type: 'none' | 'soft' | 'hard';
  /** Weight α of the teacher's part of the loss, 0…1. */
  readonly alpha: number;
  /** Temperature τ of soft distillation, above 0. */
  readonly tau: number;
}

/** The logits of both heads of a student, float32 [B, classes] each; `dist` only of a distilled model. */
export interface StudentLogits {
  readonly head: tf.Tensor2D;
  readonly dist?: tf.Tensor2D;
}

/** Scalars; total = base · (1 − α) + teacher · α. */
export interface LossParts {
  total: tf.Scalar;
  base: tf.Scalar;
  /** Absent without distillation. */
  teacher?: tf.Scalar;
}

/**
 * The training loss as facebookresearch/deit's DistillationLoss (losses.py) has it.
 *
 * @param targets float32 [B, classes], each row a distribution (labels, smoothed or mixed)
 * @param teacherLogits float32 [B, classes], for the same images; needed unless type is `none`
 */
export function distillationLoss(
  student: StudentLogits,
  targets: tf.Tensor2D,
  teacherLogits: tf.Tensor2D | undefined,
  distillation: Distillation,
): LossParts {
  checkArguments('distillationLoss', {
    student: ['studentLogits', student],
    targets: ['tensor', targets],
    distillation: ['distillation', distillation],
  });
  const { type, alpha, tau } = distillation;
  const base = softTargetCrossEntropy(student.head, targets);
  if (type === 'none') return { total: base, base };
  if (!student.dist || !teacherLogits) {
    throw new Error('distillation takes a student with a distillation head, and the logits of a teacher');
  }
  const teacher =
    type === 'soft'
      ? softDistillation(student.dist, teacherLogits, tau)
      : hardDistillation(student.dist, teacherLogits);
  const total = tf.add(tf.mul(base, 1 - alpha), tf.mul(teacher, alpha)) as tf.Scalar;
  return { total, base, teacher };
}

/** Mean over the batch of −Σ target · log softmax(logits) (timm's SoftTargetCrossEntropy): a scalar. */
export function softTargetCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  checkArguments('softTargetCrossEntropy', { logits: ['tensor', logits], targets: ['tensor', targets] });
  return tf.tidy(() => tf.mean(tf.neg(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), -1))) as tf.Scalar);
}

/** τ² / (B · classes) · KL(teacher ‖ student), both softened by τ: the sum is divided by all elements, as there. */
function softDistillation(student: tf.Tensor2D, teacher: tf.Tensor2D, tau: number): tf.Scalar {
  return tf.tidy(() => {
    const logStudent = tf.logSoftmax(tf.div(student, tau));
    const logTeacher = tf.logSoftmax(tf.div(teacher, tau));
    const divergence = tf.sum(tf.mul(tf.exp(logTeacher), tf.sub(logTeacher, logStudent)));
    return tf.mul(divergence, (tau * tau) / student.size) as tf.Scalar;
  });
}

/** Cross entropy against the teacher's most probable class. */
function hardDistillation(student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => {
    const choice = tf.oneHot(tf.cast(tf.argMax(teacher, -1), 'int32') as tf.Tensor1D, student.shape[1]);
    return softTargetCrossEntropy(student, tf.cast(choice, 'float32') as tf.Tensor2D);
  });
}
