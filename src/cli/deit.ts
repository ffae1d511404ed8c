#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { commands } from './commands.js';
import { end } from './end.js';
import { main } from './main.js';

await end(await main('deit', commands, hideBin(process.argv)));
