/** Runs a program: groups of steps, one after another, each cut into tasks that threads take in turn. */
import { attention, attentionWeights, splitHeads } from './attention';
import { finishTask, isStopped, takeTask, waitFor } from './control';
import { forgetPacked, linear } from './linear';
import { COLS } from './micro';
import { quantizedLinear } from './quantized';
import { addScaled, addTokens, copyRows, layerNorm, meanTokens, swiglu } from './rows';
import { Step, STEP_BYTES } from './step';

const LINEAR: i32 = 0;
const SPLIT_HEADS: i32 = 1;
const ATTENTION: i32 = 2;
const LAYER_NORM: i32 = 3;
const SWIGLU: i32 = 4;
const ADD_TOKENS: i32 = 5;
const COPY_ROWS: i32 = 6;
const MEAN_TOKENS: i32 = 7;
const ADD_SCALED: i32 = 8;
const QUANTIZED_LINEAR: i32 = 9;
const ATTENTION_WEIGHTS: i32 = 10;

/**
 * Steps whose tasks need nothing of each other: a task runs all of them for its part of the rows (or, of a single
 * product, of rows and columns; or, of attention, of heads and queries).
 */
// @ts-ignore: decorator
@unmanaged
export class Group {
  steps: usize;
  count: i32;
  /** Tiles of rows, into how many parts they are cut, and the columns. */
  tiles: i32;
  rowParts: i32;
  columnParts: i32;
  /** Tasks of the groups before it, and with its own. */
  start: i32;
  end: i32;
  unused: i32;
}

const GROUP_BYTES: usize = 32;

/**
 * Takes tasks until none is left, or `most` are done, or the program is stopped.
 *
 * @param groups Group [count]
 * @param control words of control.ts, all zero at the beginning
 * @param own the thread's memory that steps lay out
 * @param scratch the thread's memory for what a step needs beside
 * @param sleeps whether the thread may sleep where it waits for others
 * @returns whether this thread did the last task of all
 */
export function execute(
  groups: usize, count: i32, control: usize, own: usize, scratch: usize, sleeps: bool, most: i32,
): bool {
  forgetPacked(own);
  return executeGroups(groups, count, control, own, scratch, sleeps, most, runTask);
}

/** The same for any kind of steps: `run` does a task of a group. */
export function executeGroups(
  groups: usize, count: i32, control: usize, own: usize, scratch: usize, sleeps: bool, most: i32,
  run: (group: Group, task: i32, own: usize, scratch: usize) => void,
): bool {
  const last = groups + <usize>count * GROUP_BYTES;
  while (most-- > 0) {
    const task = takeTask(control);
    while (groups < last && task >= changetype<Group>(groups).end) groups += GROUP_BYTES;
    if (groups == last) return false;
    const group = changetype<Group>(groups);
    if (!waitFor(control, group.start, sleeps) || isStopped(control)) return false;
    run(group, task - group.start, own, scratch);
    if (finishTask(control, group.end) == changetype<Group>(last - GROUP_BYTES).end) return true;
  }
  return false;
}

function runTask(group: Group, task: i32, own: usize, scratch: usize): void {
  const part = task / group.columnParts;
  const column = task % group.columnParts;
  const first = part * group.tiles / group.rowParts;
  const end = (part + 1) * group.tiles / group.rowParts;
  let at = group.steps;
  for (let i = 0; i < group.count; i++) {
    const step = changetype<Step>(at);
    if (step.op == LINEAR || step.op == QUANTIZED_LINEAR) {
      const panels = (step.n + COLS - 1) / COLS;
      const from = column * panels / group.columnParts;
      const to = (column + 1) * panels / group.columnParts;
      if (step.op == LINEAR) linear(step, first, end, from, to, own, scratch);
      else quantizedLinear(step, first, end, from, to, own, scratch);
    } else {
      switch (step.op) {
        case SPLIT_HEADS: splitHeads(step, first, end, own, scratch); break;
        case ATTENTION: attention(step, task, scratch); break;
        case ATTENTION_WEIGHTS: attentionWeights(step, task, scratch); break;
        case LAYER_NORM: layerNorm(step, first, end, own, scratch); break;
        case SWIGLU: swiglu(step, first, end, own); break;
        case ADD_TOKENS: addTokens(step, first, end); break;
        case COPY_ROWS: copyRows(step, first, end); break;
        case MEAN_TOKENS: meanTokens(step, first, end); break;
        case ADD_SCALED: addScaled(step, first, end); break;
        default: unreachable();
      }
    }
    at += STEP_BYTES;
  }
}
