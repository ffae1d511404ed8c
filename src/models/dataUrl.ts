import { UserError } from '../errors.js';

/** Whether a text is a `data:` URL. */
export function isDataUrl(text: string): boolean {
  return /^data:/i.test(text);
}

/**
 * The bytes of a `data:` URL (RFC 2397), base64 or percent-encoded. The URL itself is in no message: it is the file.
 *
 * @throws UserError if it is damaged
 */
export function bytesOfDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const comma = url.indexOf(',');
  if (comma < 0) throw new UserError('the data: URL has no comma before its data');
  const text = url.slice(comma + 1).replace(/#.*$/, '');
  try {
    const decoded = decodePercent(text);
    if (!/;\s*base64\s*$/i.test(url.slice(0, comma))) return decoded;
    const binary = atob(new TextDecoder('latin1').decode(decoded));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError('the data: URL is not base64, as it says', { cause: error });
  }
}

function decodePercent(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  if (!bytes.includes(0x25)) return bytes;
  const out = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 0x25 ? String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0) : '';
    const escaped = /^[0-9a-f]{2}$/i.test(hex);
    out[length++] = escaped ? Number.parseInt(hex, 16) : bytes[i]!;
    if (escaped) i += 2;
  }
  return out.slice(0, length);
}
