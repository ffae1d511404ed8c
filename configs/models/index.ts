import type { ModelCard } from '../../src/models/card.js';
import { deit3BasePatch16224 } from './deit3BasePatch16224.js';
import { deit3BasePatch16384 } from './deit3BasePatch16384.js';
import { deit3HugePatch14224 } from './deit3HugePatch14224.js';
import { deit3HugePatch14384 } from './deit3HugePatch14384.js';
import { deit3LargePatch16224 } from './deit3LargePatch16224.js';
import { deit3LargePatch16384 } from './deit3LargePatch16384.js';
import { deit3MediumPatch16224 } from './deit3MediumPatch16224.js';
import { deit3MediumPatch16384 } from './deit3MediumPatch16384.js';
import { deit3SmallPatch16224 } from './deit3SmallPatch16224.js';
import { deit3SmallPatch16384 } from './deit3SmallPatch16384.js';
import { deitBaseDistilledPatch16224 } from './deitBaseDistilledPatch16224.js';
import { deitBaseDistilledPatch16384 } from './deitBaseDistilledPatch16384.js';
import { deitBasePatch16224 } from './deitBasePatch16224.js';
import { deitBasePatch16384 } from './deitBasePatch16384.js';
import { deitSmallDistilledPatch16224 } from './deitSmallDistilledPatch16224.js';
import { deitSmallPatch16224 } from './deitSmallPatch16224.js';
import { deitTinyDistilledPatch16224 } from './deitTinyDistilledPatch16224.js';
import { deitTinyPatch16224 } from './deitTinyPatch16224.js';

/** Every named model, in the order in which `deit models` lists them. */
export const modelCards: readonly ModelCard[] = [
  deitTinyPatch16224,
  deitTinyDistilledPatch16224,
  deitSmallPatch16224,
  deitSmallDistilledPatch16224,
  deitBasePatch16224,
  deitBaseDistilledPatch16224,
  deitBasePatch16384,
  deitBaseDistilledPatch16384,
  deit3SmallPatch16224,
  deit3SmallPatch16384,
  deit3MediumPatch16224,
  deit3MediumPatch16384,
  deit3BasePatch16224,
  deit3BasePatch16384,
  deit3LargePatch16224,
  deit3LargePatch16384,
  deit3HugePatch14224,
  deit3HugePatch14384,
];
