#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { convertEntry } from '../src/cli/commands.js';
import { end } from '../src/cli/end.js';
import { main } from '../src/cli/main.js';

await end(await main('deit-convert', convertEntry, hideBin(process.argv)));
