/** Runs a training program: groups of steps that need nothing of each other, one group after another. */
import { executeGroups, Group } from '../../assembly/program';
import { COLS } from '../../assembly/micro';
import { attend, attendGradient } from './attention';
import {
  channelSums, channelTotals, gate, gateGradient, moveMean, normalizeChannels, normalizeGradient,
} from './channels';
import {
  depthwise, depthwiseGradient, depthwiseKernel, fold, maxPool, maxPoolGradient, unfold,
} from './convolution';
import { layerNorm, layerNormGradient, reduce, scaleGradient } from './norm';
import { adamW, squares } from './optimizer';
import { forgetRows, product } from './product';
import { activateRows, meanRows, moveRows, patches, slope, sumImages, swiglu, swigluGradient } from './rows';
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
const UNFOLD: i32 = 16;
const FOLD: i32 = 17;
const DEPTHWISE: i32 = 18;
const DEPTHWISE_GRADIENT: i32 = 19;
const DEPTHWISE_KERNEL: i32 = 20;
const MAX_POOL: i32 = 21;
const MAX_POOL_GRADIENT: i32 = 22;
const CHANNEL_SUMS: i32 = 23;
const CHANNEL_TOTALS: i32 = 24;
const NORMALIZE_CHANNELS: i32 = 25;
const NORMALIZE_GRADIENT: i32 = 26;
const MOVE_MEAN: i32 = 27;
const GATE: i32 = 28;
const GATE_GRADIENT: i32 = 29;
const ACTIVATE: i32 = 30;

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
    case UNFOLD: unfold(step, first, end); break;
    case FOLD: fold(step, first, end); break;
    case DEPTHWISE: depthwise(step, first, end); break;
    case DEPTHWISE_GRADIENT: depthwiseGradient(step, first, end); break;
    case DEPTHWISE_KERNEL: depthwiseKernel(step, first, end); break;
    case MAX_POOL: maxPool(step, first, end); break;
    case MAX_POOL_GRADIENT: maxPoolGradient(step, first, end); break;
    case CHANNEL_SUMS: channelSums(step, first, end); break;
    case CHANNEL_TOTALS: channelTotals(step); break;
    case NORMALIZE_CHANNELS: normalizeChannels(step, first, end); break;
    case NORMALIZE_GRADIENT: normalizeGradient(step, first, end); break;
    case MOVE_MEAN: moveMean(step); break;
    case GATE: gate(step, first, end); break;
    case GATE_GRADIENT: gateGradient(step, first, end); break;
    case ACTIVATE: activateRows(step, first, end); break;
    default: unreachable();
  }
}
