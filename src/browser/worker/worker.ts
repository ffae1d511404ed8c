/** The script that a page's worker runs. */
import '../index.js';
import { serveWorker } from './serve.js';

serveWorker();
