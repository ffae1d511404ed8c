import type { PartialConfig } from '../../src/train/config.js';
import { deitTiny } from './deitTiny.js';
import { deitTinyDistilled } from './deitTinyDistilled.js';
import { digits } from './digits.js';
import { finetune384 } from './finetune384.js';
import { transfer } from './transfer.js';

/** Training recipes by name. A new one is a file in this folder and a line here. */
export const trainConfigs: Readonly<Record<string, PartialConfig>> = {
  'deit-tiny': deitTiny,
  'deit-tiny-distilled': deitTinyDistilled,
  'finetune-384': finetune384,
  transfer,
  digits,
};
