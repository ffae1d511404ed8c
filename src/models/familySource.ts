import type { RegnetConversion } from '../../converters/convertRegnet.js';
import { UserError } from '../errors.js';
import type { ModelSource } from './loadSource.js';

/** What a model of any family can be built from. */
export type FamilySource = ModelSource | RegnetConversion;

/**
 * The source of a vision transformer. Throws a UserError that names the family if it is another.
 *
 * @param taker what takes it, e.g. an option
 */
export function requireVit<Source extends FamilySource>(
  source: Source,
  name: string,
  taker = 'this',
): Extract<Source, { family: 'vit' }> {
  if (source.family === 'vit') return source as Extract<Source, { family: 'vit' }>;
  throw new UserError(
    `${name}: holds ${source.config.name}, a RegNet, which is evaluated (deit eval) and teaches (deit train); ` +
      `${taker} takes a vision transformer`,
  );
}
