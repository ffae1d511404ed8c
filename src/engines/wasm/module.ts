/** The compiled AssemblyScript of assembly/, and which of its builds to use. */
import { UserError } from '../../errors.js';
import { probeSimd, type SimdSupport } from '../../kernels/wasm/featureProbe.js';
import { givesSameBits } from './bitCheck.js';
import relaxedSimd from './generated/relaxedSimd.js';
import simd from './generated/simd.js';
import wideSimd from './generated/wideSimd.js';
import type { Tiles } from './record.js';

/** The functions of assembly/index.ts. Addresses are in bytes. */
export interface EngineExports {
  execute(
    groups: number,
    count: number,
    control: number,
    own: number,
    scratch: number,
    sleeps: boolean,
    most: number,
  ): number;
  packColumns(w: number, k: number, n: number, panels: number): void;
  packCodes(w: number, k: number, n: number, panels: number, sums: number): void;
  packedCodesBytes(k: number, n: number): number;
  codesBytes(k: number): number;
  linearScratchBytes(k: number, tiles: number): number;
  quantizedScratchBytes(k: number, tiles: number): number;
  splitScratchBytes(d: number): number;
  attentionScratchBytes(t: number, d: number): number;
  tileRows(): number;
  tileColumns(): number;
  codeUnit(): number;
  timeTiles(a: number, b: number, k: number, out: number, times: number): void;
}

export interface EngineModule {
  readonly module: WebAssembly.Module;
  /** Bits of the vectors that it computes with. */
  readonly bits: 128 | 256;
  readonly simd: Exclude<SimdSupport, 'none'>;
}

/**
 * Compiles a binary at once and with full optimisation; `wide`: so that pairs of 128-bit operations become 256-bit ones.
 * Gives undefined where it cannot.
 */
export type CompileOptimized = (
  binary: Uint8Array<ArrayBuffer>,
  wide: boolean,
) => WebAssembly.Module | undefined;

export interface ModuleOptions {
  /** The most that may be used; for tests. */
  readonly simd?: SimdSupport;
  readonly compile?: CompileOptimized;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): EngineExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as EngineExports;
}

/** What plans of programs need to know of a build. */
export function tilesOf(kernels: EngineExports): Tiles {
  return {
    rows: kernels.tileRows(),
    columns: kernels.tileColumns(),
    unit: kernels.codeUnit(),
    packedCodesBytes: kernels.packedCodesBytes,
    codesBytes: kernels.codesBytes,
    linearScratchBytes: kernels.linearScratchBytes,
    quantizedScratchBytes: kernels.quantizedScratchBytes,
    splitScratchBytes: kernels.splitScratchBytes,
    attentionScratchBytes: kernels.attentionScratchBytes,
  };
}

/** The builds of a module, in base64. */
export interface Builds {
  readonly simd: string;
  readonly relaxedSimd: string;
  readonly wideSimd: string;
  /** Whether two compilations compute the same, to the bit. */
  readonly sameBits: (module: WebAssembly.Module, other: WebAssembly.Module) => boolean;
}

const ENGINE: Builds = { simd, relaxedSimd, wideSimd, sameBits: givesSameBits };

/** The best build for this machine. */
export function compileEngine(
  { simd: most, compile }: ModuleOptions = {},
  builds: Builds = ENGINE,
): EngineModule {
  const support = most ?? probeSimd();
  if (support === 'none')
    throw new UserError('the WASM engine needs SIMD, which this JavaScript engine lacks');
  const wide = support === 'relaxed' && compile ? compileWide(compile, builds) : undefined;
  if (wide) return { module: wide, bits: 256, simd: support };
  const binary = decodeBase64(support === 'relaxed' ? builds.relaxedSimd : builds.simd);
  return { module: new WebAssembly.Module(binary), bits: 128, simd: support };
}

/** The wide build, if it is compiled to 256-bit operations that give the bits of 128-bit ones. */
function compileWide(
  compile: CompileOptimized,
  { wideSimd, sameBits }: Builds,
): WebAssembly.Module | undefined {
  const binary = decodeBase64(wideSimd);
  const wide = compile(binary, true);
  const plain = wide && compile(binary, false);
  return plain && sameBits(wide, plain) && isFaster(wide, plain) ? wide : undefined;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** By how much 256 bits must be faster: nearly 2 where V8 joined the operations, 1 where it joined none. */
const LEAST_GAIN = 1.25;
const RUNS = 12;

/** Whether tiles of `wide` take less time than those of `plain`, each at its best of some runs. */
function isFaster(wide: WebAssembly.Module, plain: WebAssembly.Module): boolean {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const builds = [wide, plain].map((module) => instantiate(module, memory));
  const least = builds.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < RUNS; run++) {
    for (const [i, { timeTiles }] of builds.entries()) {
      const start = performance.now();
      timeTiles(65536, 2 * 65536, 256, 3 * 65536, 40);
      least[i] = Math.min(least[i], performance.now() - start);
    }
  }
  return least[1] > LEAST_GAIN * least[0];
}
