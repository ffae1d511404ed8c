import { addEngine } from '../backend.js';
import { probeSimd } from '../kernels/wasm/featureProbe.js';
import { wasmRuntime } from '../models/wasmRuntime.js';
import { nodeHost } from './wasmHost.js';

const nodeRuntime = wasmRuntime(nodeHost);

/**
 * Puts the engine behind the backend `wasm`: shared memory of its own, threads, 256 bits where V8 has them. Importing this
 * module is enough. Without SIMD the layers compute.
 */
addEngine('wasm', () => (probeSimd() === 'none' ? undefined : nodeRuntime));
