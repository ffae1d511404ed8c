#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { evalProgram } from './eval.js';
import { main } from './main.js';

process.exitCode = await main('deit-eval', [evalProgram], hideBin(process.argv));
