#!/usr/bin/env node
import { evalEntry } from './commands.js';
import { end } from './end.js';
import { main } from './main.js';

await end(await main('deit-eval', evalEntry, process.argv.slice(2)));
