/**
 * The script that a page's worker runs. It imports nothing that starts this script: a bundler that follows the one to the
 * other and back (Turbopack) would never end.
 */
import '../setup.js';
import { setAssetSource } from '../assets.js';
import { wasmUrl } from '../wasmUrls.js';
import { serveWorker } from './serve.js';

setAssetSource({ wasmUrl });
serveWorker();
