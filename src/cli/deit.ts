#!/usr/bin/env node
import { commands } from './commands.js';
import { exit } from './exit.js';
import { runCli } from './runCli.js';

await exit(await runCli('deit', commands, process.argv.slice(2)));
