/** The compiled AssemblyScript of assembly/, and which of its builds to use. */
import { decodeBase64 } from '../../base64.js';
import { compileWasm } from '../../compileWasm.js';
import { UserError } from '../../errors.js';
import { probeSimd, type SimdSupport } from '../../kernels/wasm/featureProbe.js';
import { pause } from '../../pause.js';
import { givesSameBits } from './bitCheck.js';
import type { Exports as EngineExports } from './generated/exports.js';
import type { Tiles } from './record.js';

export type { Exports as EngineExports } from './generated/exports.js';

export interface EngineModule {
  readonly module: WebAssembly.Module;
  /** Bits of the vectors that it computes with. */
  readonly bits: 128 | 256;
  readonly simd: Exclude<SimdSupport, 'none'>;
}

/**
 * Compiles a binary with full optimisation; `wide`: so that pairs of 128-bit operations become 256-bit ones. Gives
 * undefined where it cannot.
 */
export type CompileOptimized = (
  binary: Uint8Array<ArrayBuffer>,
  wide: boolean,
) => WebAssembly.Module | undefined;

export interface ModuleOptions {
  /** The most that may be used; for tests. */
  readonly simd?: SimdSupport;
  readonly compile?: CompileOptimized;
  /**
   * Whether the wide build is tried as WebAssembly.compile gives it: V8 may have been started with its flag for 256-bit
   * operations, which a page can neither set nor ask for.
   */
  readonly tryWide?: boolean;
  /** Whether threads share the memory; by default they do. */
  readonly shared?: boolean;
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

const compiled = new Map<string, Promise<EngineModule>>();

/** The best build for this machine; where the platform has no compiler of its own, it is compiled once. */
export function compileEngine(options: ModuleOptions = {}): Promise<EngineModule> {
  const { simd, compile, shared = true, tryWide = false } = options;
  if (compile || simd) return compileBest(options);
  const key = `${shared} ${tryWide}`;
  const known = compiled.get(key);
  if (known) return known;
  const compiling = compileBest(options);
  compiled.set(key, compiling);
  compiling.catch(() => compiled.delete(key)); // e.g. a file that could not be fetched
  return compiling;
}

async function compileBest(options: ModuleOptions): Promise<EngineModule> {
  const { simd: most, compile, shared = true, tryWide } = options;
  const support = most ?? probeSimd();
  if (support === 'none')
    throw new UserError('the WASM engine needs SIMD, which this JavaScript engine lacks');
  const wide =
    support === 'relaxed' && compile
      ? compileWide(compile, await readBuild('wideSimd', shared), shared, givesSameBits)
      : undefined;
  if (wide) return { module: wide, bits: 256, simd: support };
  const name = support === 'relaxed' ? 'relaxedSimd' : 'simd';
  const module = await compileWasm(await readBuild(name, shared));
  const tried = support === 'relaxed' && tryWide ? await compileOnTrial(module, shared) : undefined;
  return { module: tried ?? module, bits: tried ? 256 : 128, simd: support };
}

type BuildName = 'simd' | 'relaxedSimd' | 'wideSimd';

/** Each a module of its own, so that a page fetches the one that it runs. */
const BUILDS: Record<BuildName, Record<'shared' | 'alone', () => Promise<{ default: string }>>> = {
  simd: {
    shared: () => import('./generated/simd.js'),
    alone: () => import('./generated/simdAlone.js'),
  },
  relaxedSimd: {
    shared: () => import('./generated/relaxedSimd.js'),
    alone: () => import('./generated/relaxedSimdAlone.js'),
  },
  wideSimd: {
    shared: () => import('./generated/wideSimd.js'),
    alone: () => import('./generated/wideSimdAlone.js'),
  },
};

async function readBuild(name: BuildName, shared: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const { default: text } = await BUILDS[name][shared ? 'shared' : 'alone']();
  return decodeBase64(text);
}

/** Whether two compilations compute the same, to the bit. */
type BitCheck = (module: WebAssembly.Module, other: WebAssembly.Module, shared: boolean) => boolean;

/** A wide build, if it is compiled to 256-bit operations that give the bits of 128-bit ones, and is faster. */
export function compileWide(
  compile: CompileOptimized,
  binary: Uint8Array<ArrayBuffer>,
  shared: boolean,
  sameBits: BitCheck,
): WebAssembly.Module | undefined {
  const wide = compile(binary, true);
  const plain = wide && compile(binary, false);
  return plain && sameBits(wide, plain, shared) && isFaster(wide, plain, shared) ? wide : undefined;
}

/** V8 optimises what has run for a while: so many bit checks let it come to that. */
const TRIALS = 8;

/**
 * The wide build as the JavaScript engine compiles it by itself, if it is faster than `plain` and gives the same bits; else
 * undefined. The caller's thread gives way between rounds of a millisecond or two.
 */
async function compileOnTrial(
  plain: WebAssembly.Module,
  shared: boolean,
): Promise<WebAssembly.Module | undefined> {
  const wide = await compileWasm(await readBuild('wideSimd', shared));
  if (!(await becomesFaster(wide, plain, shared))) return undefined;
  for (let trial = 0; trial < TRIALS; trial++) {
    if (!givesSameBits(wide, plain, shared)) return undefined;
    await pause();
  }
  return wide;
}

/** By how much 256 bits must be faster: nearly 2 where V8 joined the operations, 1 where it joined none. */
const LEAST_GAIN = 1.25;
const RUNS = 12;
/** Tiles of a round on trial, some 0.5 ms: clocks of pages have steps of 0.1 ms. */
const TRIAL_TILES = 800;
/** Rounds of its two rows: the first lets code be optimised, and ends it where nothing was gained. */
const TRIAL_ROUNDS = [5, 8];
/** A machine that is busy is not waited for, in ms. */
const TRIAL_LIMIT = 100;

/** As isFaster, in two rows of rounds: in the first, code is being optimised. */
async function becomesFaster(
  wide: WebAssembly.Module,
  plain: WebAssembly.Module,
  shared: boolean,
): Promise<boolean> {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 65536, shared });
  const builds = [wide, plain].map((module) => instantiate(module, memory));
  const end = performance.now() + TRIAL_LIMIT;
  for (const [row, rounds] of TRIAL_ROUNDS.entries()) {
    const least = builds.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < rounds; round++) {
      for (const [i, { timeTiles, tileColumns }] of builds.entries()) {
        const start = performance.now();
        timeTiles(65536, 2 * 65536, 256, 3 * 65536, TRIAL_TILES);
        least[i] = Math.min(least[i]!, (performance.now() - start) / tileColumns());
        await pause();
      }
      if (performance.now() > end) return false;
    }
    if (!(least[1]! > (row === 0 ? 1 : LEAST_GAIN) * least[0]!)) return false;
  }
  return true;
}

/** Whether tiles of `wide` take less time than those of `plain`, each at its best of some runs. */
function isFaster(wide: WebAssembly.Module, plain: WebAssembly.Module, shared: boolean): boolean {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared });
  const builds = [wide, plain].map((module) => instantiate(module, memory));
  const least = builds.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < RUNS; run++) {
    for (const [i, { timeTiles }] of builds.entries()) {
      const start = performance.now();
      timeTiles(65536, 2 * 65536, 256, 3 * 65536, 40);
      least[i] = Math.min(least[i]!, performance.now() - start);
    }
  }
  return least[1]! > LEAST_GAIN * least[0]!;
}
