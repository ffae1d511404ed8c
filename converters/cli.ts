#!/usr/bin/env node
import { convertEntry } from '../src/cli/commands.js';
import { exit } from '../src/cli/exit.js';
import { runCli } from '../src/cli/runCli.js';

await exit(await runCli('deit-convert', convertEntry, process.argv.slice(2)));
