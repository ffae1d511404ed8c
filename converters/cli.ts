#!/usr/bin/env node
import { convertEntry } from '../src/cli/commands.js';
import { end } from '../src/cli/end.js';
import { main } from '../src/cli/main.js';

await end(await main('deit-convert', convertEntry, process.argv.slice(2)));
