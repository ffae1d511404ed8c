/**
 * Reads the assignments of a Python configuration (mmengine writes its own as text) without running anything: literals,
 * lists, tuples, dictionaries and calls of `dict`. What is none of these becomes UNREAD.
 */

/** Stands for an expression that is no literal. */
export const UNREAD: unique symbol = Symbol('an expression');

export type PythonValue =
  | string
  | number
  | boolean
  | null
  | typeof UNREAD
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** Longest text that is read; configurations have some ten thousand characters. */
const MAX_CHARACTERS = 500_000;
/** Deepest nesting that is read; deeper parts are UNREAD. */
const MAX_DEPTH = 64;

interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'sign' | 'line';
  readonly value: string;
}

const TOKENS =
  /[ \t\f]*(?:(#[^\n]*)|(\\\n)|(\r?\n)|([rRbBuUfF]{0,2}(?:'''(?:[^\\]|\\[\s\S])*?'''|"""(?:[^\\]|\\[\s\S])*?"""|'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"))|((?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([^\s\w]))/gy;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    TOKENS.lastIndex = at;
    const found = TOKENS.exec(text);
    if (!found) {
      at++;
      continue;
    }
    at = TOKENS.lastIndex;
    const [, comment, joined, line, string, number, name, sign] = found;
    if (comment !== undefined || joined !== undefined) continue;
    if (line !== undefined) {
      if (depth === 0) tokens.push({ kind: 'line', value: '\n' });
    } else if (string !== undefined) tokens.push({ kind: 'text', value: string });
    else if (number !== undefined) tokens.push({ kind: 'number', value: number });
    else if (name !== undefined) tokens.push({ kind: 'name', value: name });
    else {
      if ('([{'.includes(sign!)) depth++;
      if (')]}'.includes(sign!)) depth = Math.max(0, depth - 1);
      tokens.push({ kind: 'sign', value: sign! });
    }
  }
  return tokens;
}

/** The top-level assignments `NAME = VALUE` of a configuration. Of a name that is assigned twice the last holds. */
export function parsePythonAssignments(text: string): Readonly<Record<string, PythonValue>> {
  const values: Record<string, PythonValue> = Object.create(null);
  if (text.length > MAX_CHARACTERS) return values;
  const reader = new Reader(tokenize(text));
  while (!reader.done) {
    const name = reader.assignment();
    if (name !== undefined) values[name] = reader.expression(0);
    reader.skipLine();
  }
  return values;
}

class Reader {
  #at = 0;

  constructor(readonly tokens: readonly Token[]) {}

  get done(): boolean {
    return this.#at >= this.tokens.length;
  }

  #is(value: string, offset = 0): boolean {
    const token = this.tokens[this.#at + offset];
    return token?.kind === 'sign' && token.value === value;
  }

  #take(value: string): boolean {
    if (!this.#is(value)) return false;
    this.#at++;
    return true;
  }

  /** Moves behind `NAME =`, if that is here. */
  assignment(): string | undefined {
    const token = this.tokens[this.#at];
    if (token?.kind !== 'name' || !this.#is('=', 1) || this.#is('=', 2)) return undefined;
    this.#at += 2;
    return token.value;
  }

  skipLine(): void {
    while (!this.done && this.tokens[this.#at]!.kind !== 'line') this.#at++;
    this.#at++;
  }

  /**
   * A value, and UNREAD for what is more than one. Ends before a comma, a closing bracket or the end of the line, a key
   * of a dictionary before a colon too.
   */
  expression(depth: number, isKey = false): PythonValue {
    const value = this.#operand(depth);
    if (this.#ends(isKey)) return value;
    this.#skipExpression(isKey);
    return UNREAD;
  }

  #ends(isKey: boolean): boolean {
    const token = this.tokens[this.#at];
    if (token === undefined || token.kind === 'line') return true;
    return token.kind === 'sign' && (isKey ? ',)]}:' : ',)]}').includes(token.value);
  }

  #skipExpression(isKey = false): void {
    let depth = 0;
    while (!this.done && (depth > 0 || !this.#ends(isKey))) {
      const { kind, value } = this.tokens[this.#at]!;
      if (kind === 'sign' && '([{'.includes(value)) depth++;
      if (kind === 'sign' && ')]}'.includes(value)) depth--;
      this.#at++;
    }
  }

  #operand(depth: number): PythonValue {
    if (depth > MAX_DEPTH) return UNREAD;
    const token = this.tokens[this.#at];
    if (token === undefined || token.kind === 'line') return UNREAD;
    if (this.#is('-') || this.#is('+')) {
      const sign = this.tokens[this.#at++]!.value === '-' ? -1 : 1;
      const number = this.#operand(depth + 1);
      return typeof number === 'number' ? sign * number : UNREAD;
    }
    if (token.kind === 'number') {
      this.#at++;
      return Number(token.value.replaceAll('_', ''));
    }
    if (token.kind === 'text') return this.#texts();
    if (token.kind === 'name') return this.#named(depth, token.value);
    if (this.#is('[')) return this.#items(']', depth) ?? UNREAD;
    if (this.#is('(')) return this.#parenthesis(depth);
    if (this.#is('{')) return this.#braces(depth);
    return UNREAD;
  }

  /** Texts that stand side by side are one. */
  #texts(): PythonValue {
    let text = '';
    let literal = true;
    for (; this.tokens[this.#at]?.kind === 'text'; this.#at++) {
      const part = unquote(this.tokens[this.#at]!.value);
      if (part === undefined) literal = false;
      else text += part;
    }
    return literal ? text : UNREAD;
  }

  #named(depth: number, name: string): PythonValue {
    this.#at++;
    if (name === 'True' || name === 'False') return name === 'True';
    if (name === 'None') return null;
    if (name === 'dict' && this.#is('(')) return this.#call(depth);
    return UNREAD;
  }

  /** The arguments of a call of dict. */
  #call(depth: number): PythonValue {
    const entries: Record<string, PythonValue> = Object.create(null);
    this.#at++;
    while (!this.done && !this.#take(')')) {
      const name = this.assignment();
      if (name === undefined) this.#skipExpression();
      else entries[name] = this.expression(depth + 1);
      if (!this.#take(',') && !this.#is(')')) return UNREAD;
    }
    return entries;
  }

  #items(end: string, depth: number): PythonValue[] | undefined {
    const items: PythonValue[] = [];
    this.#at++;
    while (!this.done && !this.#take(end)) {
      items.push(this.expression(depth + 1));
      if (!this.#take(',') && !this.#is(end)) return undefined;
    }
    return items;
  }

  /** A tuple, or one value in parentheses. */
  #parenthesis(depth: number): PythonValue {
    const items = this.#items(')', depth);
    if (!items) return UNREAD;
    const before = this.tokens[this.#at - 2];
    const isTuple = items.length !== 1 || (before?.kind === 'sign' && before.value === ',');
    return isTuple ? items : items[0]!;
  }

  #braces(depth: number): PythonValue {
    const entries: Record<string, PythonValue> = Object.create(null);
    this.#at++;
    while (!this.done && !this.#take('}')) {
      const key = this.expression(depth + 1, true);
      // Without a colon it is a set, which no field here has.
      if (!this.#take(':')) return this.#skipTo('}');
      const value = this.expression(depth + 1);
      if (typeof key === 'string' || typeof key === 'number') entries[key] = value;
      if (!this.#take(',') && !this.#is('}')) return UNREAD;
    }
    return entries;
  }

  #skipTo(end: string): PythonValue {
    while (!this.done && !this.#take(end)) {
      this.#skipExpression();
      if (!this.#is(end)) this.#at++;
    }
    return UNREAD;
  }
}

/** The text of a Python string; undefined for formatted ones and for bytes. */
function unquote(token: string): string | undefined {
  const [, prefix, rest] = /^([A-Za-z]*)([\s\S]*)$/.exec(token)!;
  if (/[bBfF]/.test(prefix!)) return undefined;
  const quotes = /^('''|""")/.test(rest!) ? 3 : 1;
  const body = rest!.slice(quotes, -quotes);
  if (/[rR]/.test(prefix!)) return body;
  const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\n': '' };
  return body.replace(/\\([\s\S])/g, (_, letter: string) => escapes[letter] ?? letter);
}

/** Whether a value is an object of named values. */
export function isDict(value: PythonValue | undefined): value is { readonly [key: string]: PythonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
