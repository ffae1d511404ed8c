/**
 * As WebAssembly.compile. Where V8 compiles a module as a whole (`--no-wasm-lazy-compilation`), Node does not count that as
 * work under way: a program that waits for nothing else would end.
 */
export async function compileWasm(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  const alive = setInterval(() => {}, 1000);
  try {
    return await WebAssembly.compile(bytes);
  } finally {
    clearInterval(alive);
  }
}
