#!/usr/bin/env node
import { evalEntry } from './commands.js';
import { exit } from './exit.js';
import { runCli } from './runCli.js';

await exit(await runCli('deit-eval', evalEntry, process.argv.slice(2)));
