#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { attentionCommand } from './attention.js';
import { cacheCommand } from './cache.js';
import { downloadCommand } from './download.js';
import { embedCommand } from './embed.js';
import { end } from './end.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { inspectCommand } from './inspect.js';
import { main } from './main.js';
import { modelsCommand } from './models.js';
import { predictCommand } from './predict.js';
import { setupNativeCommand } from './setupNative.js';
import { summaryCommand } from './summary.js';
import { trainCommand } from './train.js';
import { webCommand } from './web.js';
import { workerCommand } from './worker.js';

const commands = [
  evalCommand,
  predictCommand,
  embedCommand,
  modelsCommand,
  summaryCommand,
  inspectCommand,
  downloadCommand,
  cacheCommand,
  attentionCommand,
  workerCommand,
  webCommand,
  trainCommand,
  exportCommand,
  setupNativeCommand,
];

await end(await main('deit', commands, hideBin(process.argv)));
