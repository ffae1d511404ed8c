/**
 * Bytes under names, kept between visits in the browser's Cache API; in memory for this page where the browser has none
 * (a page without https, a sandboxed frame, a private window) or gives no more room.
 */

/** Addresses in the cache that no file on the web has. */
const BASE = 'https://deit-tfjs.invalid/hub/';

export const HUB_CACHE = 'deit-tfjs-hub';

export interface ContentCache {
  /** Whether what is put is there on the next visit. */
  readonly isKept: boolean;
  read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** In bytes; undefined if there is nothing of this name. */
  size(name: string): Promise<number | undefined>;
  /** Throws QuotaExceededError where the browser gives no more room. */
  put(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  delete(name: string): Promise<void>;
  /** Names that begin so. */
  names(prefix: string): Promise<string[]>;
}

/** The browser's cache, or undefined where it has none. */
export async function openBrowserCache(): Promise<ContentCache | undefined> {
  try {
    // Even to look at `caches` is an error in some sandboxed frames.
    const cache = await globalThis.caches?.open(HUB_CACHE);
    return cache && overCache(cache);
  } catch {
    return undefined;
  }
}

export function memoryCache(): ContentCache {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    isKept: false,
    read: async (name) => contents.get(name),
    size: async (name) => contents.get(name)?.length,
    put: async (name, bytes) => void contents.set(name, bytes),
    delete: async (name) => void contents.delete(name),
    names: async (prefix) => [...contents.keys()].filter((name) => name.startsWith(prefix)),
  };
}

/**
 * A cache that goes on in memory once the first one gives no more room.
 *
 * @param makeRoom removes something from the first one; false if there is nothing more to remove
 */
export function spillingCache(
  first: ContentCache,
  makeRoom: (cache: ContentCache) => Promise<boolean>,
  onSpill: () => void,
): ContentCache {
  const memory = memoryCache();
  // From then on all goes to memory: what is put last says that all before it is there, also on the next visit.
  let isFull = false;
  return {
    isKept: first.isKept,
    read: async (name) => (await memory.read(name)) ?? first.read(name),
    size: async (name) => (await memory.size(name)) ?? first.size(name),
    async put(name, bytes) {
      while (!isFull) {
        try {
          return await first.put(name, bytes);
        } catch (error) {
          if ((error as Error).name !== 'QuotaExceededError') throw error;
          isFull ||= !(await makeRoom(first));
          if (isFull) onSpill();
        }
      }
      return memory.put(name, bytes);
    },
    async delete(name) {
      await memory.delete(name);
      await first.delete(name);
    },
    names: async (prefix) => [...new Set([...(await first.names(prefix)), ...(await memory.names(prefix))])],
  };
}

function overCache(cache: Cache): ContentCache {
  return {
    isKept: true,
    async read(name) {
      const response = await cache.match(BASE + name);
      return response && new Uint8Array(await response.arrayBuffer());
    },
    async size(name) {
      const response = await cache.match(BASE + name);
      return response && Number(response.headers.get('content-length'));
    },
    async put(name, bytes) {
      const headers = { 'content-length': String(bytes.length) };
      await cache.put(BASE + name, new Response(bytes, { headers }));
    },
    async delete(name) {
      await cache.delete(BASE + name);
    },
    async names(prefix) {
      const urls = (await cache.keys()).map(({ url }) => url);
      return urls.filter((url) => url.startsWith(BASE + prefix)).map((url) => url.slice(BASE.length));
    },
  };
}

export async function readJson(cache: ContentCache, name: string): Promise<unknown> {
  const bytes = await cache.read(name);
  try {
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // damaged: it is asked for again
  }
}

export async function putJson(cache: ContentCache, name: string, value: unknown): Promise<void> {
  await cache.put(name, new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>);
}
