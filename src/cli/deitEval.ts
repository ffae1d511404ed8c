#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { evalEntry } from './commands.js';
import { end } from './end.js';
import { main } from './main.js';

await end(await main('deit-eval', evalEntry, hideBin(process.argv)));
