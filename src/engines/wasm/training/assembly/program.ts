/** Runs a training program: groups of steps that need nothing of each other, one group after another. */
import { executeGroups, Group } from '../../assembly/program';
import { COLS } from '../../assembly/micro';
import { attend, attendGradient } from './attention';
import { layerNorm, layerNormGradient, reduce, scaleGradient } from './norm';
import { adamW, squares } from './optimizer';
import { forgetRows, product } from './product';
import { meanRows, moveRows, patches, slope, sumImages, swiglu, swigluGradient } from './rows';
import { Step, STEP_BYTES } from './step';

const PRODUCT: i32 = 0;
const ATTEND: i32 = 1;
const ATTEND_GRADIENT: i32 = 2;
const LAYER_NORM: i32 = 3;
const LAYER_NORM_GRADIENT: i32 = 4;
const SCALE_GRADIENT: i32 = 5;
const REDUCE: i32 = 6;
const PATCHES: i32 = 7;
const MOVE_ROWS: i32 = 8;
const SUM_IMAGES: i32 = 9;
const MEAN_ROWS: i32 = 10;
const SLOPE: i32 = 11;
const SWIGLU: i32 = 12;
const SWIGLU_GRADIENT: i32 = 13;
const SQUARES: i32 = 14;
const ADAMW: i32 = 15;

/** As `execute` of the inference engine. */
export function execute(
  groups: usize, count: i32, control: usize, own: usize, scratch: usize, sleeps: bool, most: i32,
): bool {
  forgetRows(own);
  return executeGroups(groups, count, control, own, scratch, sleeps, most, runTask);
}

/** The tasks of a group are those of its first step, then those of its second … */
function runTask(group: Group, given: i32, own: usize, scratch: usize): void {
  let at = group.steps;
  let task = given;
  let step = changetype<Step>(at);
  for (let tasks = step.rowParts * step.columnParts; task >= tasks; tasks = step.rowParts * step.columnParts) {
    task -= tasks;
    at += STEP_BYTES;
    step = changetype<Step>(at);
  }
  runStep(step, task, own, scratch);
}

function runStep(step: Step, task: i32, own: usize, scratch: usize): void {
  const part = task / step.columnParts;
  const first = <i32>(<i64>part * step.units / step.rowParts);
  const end = <i32>(<i64>(part + 1) * step.units / step.rowParts);
  switch (step.op) {
    case PRODUCT: {
      const column = task % step.columnParts;
      const panels = (step.n + COLS - 1) / COLS;
      const from = column * panels / step.columnParts;
      product(step, first, end, from, (column + 1) * panels / step.columnParts, own, scratch);
      break;
    }
    case ATTEND:
      for (let head = first; head < end; head++) attend(step, head, scratch);
      break;
    case ATTEND_GRADIENT:
      for (let head = first; head < end; head++) attendGradient(step, head, scratch);
      break;
    case LAYER_NORM: layerNorm(step, first, end, scratch); break;
    case LAYER_NORM_GRADIENT: layerNormGradient(step, first, end); break;
    case SCALE_GRADIENT: scaleGradient(step, first, end); break;
    case REDUCE: reduce(step); break;
    case PATCHES: patches(step, first, end); break;
    case MOVE_ROWS: moveRows(step, first, end); break;
    case SUM_IMAGES: sumImages(step, first, end); break;
    case MEAN_ROWS: meanRows(step, first, end); break;
    case SLOPE: slope(step, first, end); break;
    case SWIGLU: swiglu(step, first, end); break;
    case SWIGLU_GRADIENT: swigluGradient(step, first, end); break;
    case SQUARES: squares(step, first, end); break;
    case ADAMW: adamW(step, first, end); break;
    default: unreachable();
  }
}
