#!/usr/bin/env node
import { commands } from './commands.js';
import { end } from './end.js';
import { main } from './main.js';

await end(await main('deit', commands, process.argv.slice(2)));
