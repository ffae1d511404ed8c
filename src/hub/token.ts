import { UserError } from '../errors.js';

/** Throws a UserError if a token cannot be sent in a header. It does not show the token. */
export function requireToken(token: string, source: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new UserError(`${source}: expected a token (hf_…), found a text with spaces or other characters`);
}
