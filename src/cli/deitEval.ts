#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { end } from './end.js';
import { evalProgram } from './eval.js';
import { main } from './main.js';

await end(await main('deit-eval', [evalProgram], hideBin(process.argv)));
