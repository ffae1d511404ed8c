/**
 * Imported before the programs of these tests. Until the GPU has answered, Dawn's binding asks it again by setImmediate,
 * with a core of its own: as long as SwiftShader compiles shaders, that is half of all that these tests compute.
 */
const { setTimeout } = globalThis;
globalThis.setImmediate = ((run: (...args: unknown[]) => void, ...args: unknown[]) =>
  setTimeout(run, 1, ...args)) as unknown as typeof setImmediate;
