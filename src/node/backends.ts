/** Node's backends beside WASM, the best last: `auto` tries the last added first. */
import './wasmRuntime.js';
import './native/backend.js';
import './webgpu/backend.js';
import './pjrt/backend.js';
