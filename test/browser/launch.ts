/** Finds and starts the Chromium that drives the browser tests. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Path of a Chromium or Chrome to be used in place of one that is installed. */
const VARIABLE = 'DEIT_CHROMIUM';
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** WebGL and WebGPU on software rendering (SwiftShader), and nothing that reaches the network by itself. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  // Drawing the page by SwiftShader too takes more of the processor than all that these tests are about.
  '--disable-gpu-compositing',
];

/** The browser's executable: what DEIT_CHROMIUM names, else the first of the usual names on the PATH. */
export function findChromium(): string | undefined {
  const named = process.env[VARIABLE];
  if (named) {
    if (!existsSync(named)) throw new Error(`${VARIABLE}: there is no ${named}`);
    return named;
  }
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => existsSync(path));
}

/** Starts Chromium; `args` are added to the usual ones. To be closed by the caller. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(`no Chromium; ${HOW_TO_GET_ONE}`);
  return chromium.launch({ executablePath, args: [...ARGUMENTS, ...args] });
}

export const HOW_TO_GET_ONE = `install one (Debian: apt-get install chromium) or set ${VARIABLE} to its path`;
