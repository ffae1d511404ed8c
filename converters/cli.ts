#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { convertCommand } from '../src/cli/convert.js';
import { main } from '../src/cli/main.js';

process.exitCode = await main('deit-convert', [convertCommand], hideBin(process.argv));
