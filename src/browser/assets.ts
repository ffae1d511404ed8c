/**
 * Where the files beside the library's code lie: the WASM binaries and the worker's script. Each entry says how it
 * finds its own (index.ts, the bundle, deit-tfjs/inline); a page may name a folder of its own.
 */
import { decodeBase64 } from '../base64.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { request } from '../models/fetchFile.js';
import { explainBlocked } from './policy.js';

/** The WASM binaries of tfjs. */
export type WasmFile =
  | 'tfjs-backend-wasm.wasm'
  | 'tfjs-backend-wasm-simd.wasm'
  | 'tfjs-backend-wasm-threaded-simd.wasm';

/** How an entry of the library finds its files. */
export interface AssetSource {
  /** Address of a binary; throws where the bundler has lost it. */
  readonly wasmUrl?: (file: WasmFile) => string;
  /** Starts the worker's script, written so that bundlers see it. */
  readonly startWorker?: () => Worker;
  /** Or the address of that script. */
  readonly workerUrl?: () => string;
  /** The binaries in base64 and the worker's script, where they are part of the code. */
  readonly inlined?: InlinedFiles;
}

export interface InlinedFiles {
  readonly wasm: Readonly<Record<WasmFile, () => Promise<string>>>;
  /** A classic script. */
  readonly worker: () => Promise<string>;
}

/** The assets as a page hands them to its worker. */
export interface SentAssets {
  readonly folder?: string;
  readonly wasm?: Readonly<Record<WasmFile, string>>;
}

let source: AssetSource = {};
let folder: string | undefined;

/** Called by the entry of the library, once. */
export function setAssetSource(given: AssetSource): void {
  source = given;
}

export function assetSource(): AssetSource {
  return source;
}

/**
 * Names the folder that holds the WASM binaries and worker.js: a copy of deit-tfjs' dist/browser, by its address,
 * relative to the page. To be called before the first load; for what a bundler (esbuild, Rollup) has not taken along.
 */
export function setAssetFolder(address: string | URL): void {
  checkArguments('setAssetFolder', { address: ['address', address] });
  folder = new URL(String(address).replace(/\/?$/, '/'), baseUrl()).href;
}

export function assetFolder(): string | undefined {
  return folder;
}

/** What relative addresses begin at. */
export function baseUrl(): string {
  return globalThis.document?.baseURI ?? globalThis.location.href;
}

/**
 * The bytes of a WASM binary.
 *
 * @throws UserError if they cannot be read; the message says how to serve them
 */
export async function readWasmFile(file: WasmFile): Promise<Uint8Array<ArrayBuffer>> {
  const inlined = folder === undefined && source.inlined?.wasm[file];
  if (inlined) return decodeBase64(await inlined());
  const url = wasmUrl(file);
  try {
    const bytes = await explainBlocked(url, () => fetchBytes(url));
    if (!isWasm(bytes)) throw new UserError(`${url}: is not a WASM binary`);
    return bytes;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${error.message}; ${REMEDY}`, { cause: error });
  }
}

const REMEDY =
  'the .wasm files lie in deit-tfjs/dist/browser: serve a copy of that folder and name its address as the option assetFolder, or import deit-tfjs/inline';

/** No binary of tfjs has a tenth of this. */
const MAX_WASM_BYTES = 2 ** 24;

async function fetchBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  // Whatever Content-Type the server gives it: the bytes are compiled, not the stream.
  const response = await request(url, { credentials: 'same-origin' }, 'any');
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > MAX_WASM_BYTES) throw new UserError(`${url}: is not a WASM binary of tfjs`);
  return bytes;
}

function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

function wasmUrl(file: WasmFile): string {
  if (folder !== undefined) return folder + file;
  try {
    return source.wasmUrl!(file);
  } catch (cause) {
    // In the formats iife and cjs there is no import.meta.url.
    throw new UserError(`${file}: the bundler does not tell where the library lies; ${REMEDY}`, { cause });
  }
}

/** What a worker needs to find the same files. */
export async function assetsForWorker(): Promise<SentAssets> {
  if (folder !== undefined) return { folder };
  if (!source.inlined) return {};
  const files = Object.entries(source.inlined.wasm);
  const texts = await Promise.all(files.map(async ([name, read]) => [name, await read()] as const));
  return { wasm: Object.fromEntries(texts) as Record<WasmFile, string> };
}

/** In the worker: uses what the page has sent. */
export function useSentAssets({ folder: sent, wasm }: SentAssets): void {
  if (sent !== undefined) folder = sent;
  if (!wasm) return;
  const inlined = Object.fromEntries(Object.entries(wasm).map(([name, text]) => [name, async () => text]));
  const worker = () => Promise.reject(new UserError('a worker starts no worker of its own'));
  source = { inlined: { wasm: inlined as InlinedFiles['wasm'], worker } };
}
