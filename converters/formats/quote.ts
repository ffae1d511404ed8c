/** Longest piece of a file's own text that a message repeats. */
const SHOWN = 80;

/** Text out of a file, fit for a one-line message: control characters escaped, cut after 80 characters. */
export function quote(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  const plain = /^[\x20-\x7e…]*$/.test(cut) ? cut : cut.replace(/[^\x20-\x7e…]/g, escapeCharacter);
  return `"${plain}"`;
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const isLetter = code > 0xa0 && /\p{L}|\p{N}|\p{P}|\p{S}/u.test(character);
  return isLetter ? character : `\\u${code.toString(16).padStart(4, '0')}`;
}
