import { stat } from 'node:fs/promises';
import { convertRegnet, isRegnet } from '../../converters/convertRegnet.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { loadRegnet, type Regnet } from '../models/regnet.js';
import { openFileSource } from './fileSource.js';
import { checkHashInName } from './hash.js';

/**
 * The RegNet in a checkpoint file, on the current backend, or undefined if the path is no file or it holds another
 * network.
 *
 * @throws UserError if the file is damaged, or its hash is not the one in its name
 */
export async function openRegnet(path: string): Promise<Regnet | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const file = await openFileSource(path);
  try {
    const checkpoint = await parseCheckpoint(file);
    if (!isRegnet(checkpoint)) return undefined;
    await checkHashInName(path);
    return await loadRegnet(convertRegnet(checkpoint));
  } finally {
    await file.close();
  }
}
