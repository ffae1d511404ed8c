/** Cosine decay with a linear warm-up. Times are in epochs, or in any one unit. */
export interface Schedule {
  /** Length of the whole run. */
  readonly duration: number;
  /** The learning rate after the warm-up. */
  readonly lr: number;
  /** The learning rate at the end. */
  readonly minLr: number;
  readonly warmup: number;
  /** The learning rate at time 0, if there is a warm-up. */
  readonly warmupLr: number;
}

/**
 * Learning rate at time t, as timm's CosineLRScheduler gives it for one cycle: the cosine counts from time 0, so the
 * warm-up ends a little below `lr`'s cosine.
 */
export function cosineWithWarmup(schedule: Schedule, t: number): number {
  const { duration, lr, minLr, warmup, warmupLr } = schedule;
  if (t < warmup) return warmupLr + (t * (lr - warmupLr)) / warmup;
  if (t >= duration) return minLr;
  return minLr + 0.5 * (lr - minLr) * (1 + Math.cos((Math.PI * t) / duration));
}

/**
 * Time on the schedule of an epoch as facebookresearch/deit trains it: main.py calls lr_scheduler.step(epoch) after
 * the epoch, so that the first two epochs run at time 0 and each later one an epoch behind.
 */
export function epochTime(epoch: number): number {
  return Math.max(0, epoch - 1);
}
