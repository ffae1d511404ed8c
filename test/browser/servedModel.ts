/** The digits model as a server's files, with room for mischief. */
import { readFile } from 'node:fs/promises';
import { convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { writeLayersModel } from '../../converters/write/layersModel.js';
import type { Route } from './server.js';

export const CHECKPOINT = 'examples/digits/deit_digits_distilled.pth';

/** The files of the converted digits model, by name. */
export async function convertedDigits(): Promise<Map<string, Buffer>> {
  const labels = (await readFile('examples/digits/labels.txt', 'utf8')).trim().split('\n');
  const checkpoint = await parseCheckpoint(await readFile(CHECKPOINT));
  const files = new Map<string, Buffer>();
  await writeLayersModel(convert(checkpoint, { labels }), {
    async write(path, chunks) {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk.slice());
      files.set(path, Buffer.concat(parts));
    },
  });
  return files;
}

/** A route that sends these bytes, with an ETag if one is given, and answers HEAD. */
export function sends(bytes: Buffer, etag?: () => string, type = 'application/octet-stream'): Route {
  return (request, response) => {
    response.setHeader('Content-Type', type);
    response.setHeader('Content-Length', bytes.length);
    response.setHeader('Cache-Control', 'no-store');
    if (etag) response.setHeader('ETag', etag());
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
}

/** A route that sends half of the bytes that it promises, and hangs up or, if told so, waits for ever. */
export function sendsHalf(bytes: Buffer, wait = false): Route {
  return (_, response) => {
    response.setHeader('Content-Length', bytes.length);
    response.write(bytes.subarray(0, bytes.length / 2), () => {
      if (!wait) response.destroy();
    });
  };
}
