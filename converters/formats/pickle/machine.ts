import { UserError } from '../../../src/errors.js';
import { MAX_PICKLE_OPCODES } from '../limits.js';
import { ByteReader } from './byteReader.js';
import { OPERATIONS, STOP } from './operations.js';
import { PickleCut, PickleProblem } from './problem.js';
import { Dict, describePickled, Global, HostValue, Inert, type PickleValue } from './values.js';

/** What a pickle may refer to. A host throws PickleProblem for what it does not know. */
export interface PickleHost {
  /** Gives the name a Global of the host's own, or refuses it. */
  findGlobal(module: string, name: string): Global;
  /**
   * Makes what stands for `target(...args)`: plain data, an Inert or a value of the host's own. Calls nothing.
   * `target` is an Inert where the file calls what an unknown name would have given.
   */
  call(target: Global | Inert, args: readonly PickleValue[]): PickleValue;
  /** What a persistent id stands for. */
  persistent(id: PickleValue): HostValue | Global;
}

/**
 * The stack machine that pickles are written for, with everything taken out that could run or build anything: names
 * are looked up in the host's list, calls give placeholders. See Lib/pickletools.py of CPython for the opcodes.
 */
export class PickleMachine {
  readonly memo = new Map<number, PickleValue>();
  #stack: PickleValue[] = [];
  /** Lengths of the stack at each MARK. */
  #marks: number[] = [];

  constructor(
    readonly reader: ByteReader,
    readonly host: PickleHost,
  ) {}

  run(): PickleValue {
    for (let count = 0; count < MAX_PICKLE_OPCODES; count++) {
      const opcode = this.reader.uint8();
      if (opcode === STOP) return this.pop();
      const operation = OPERATIONS[opcode];
      if (operation === undefined) {
        throw new PickleProblem(
          `expected a pickle opcode, found the byte 0x${opcode.toString(16).padStart(2, '0')}`,
        );
      }
      operation(this);
    }
    throw new PickleProblem(`the pickle has more than ${MAX_PICKLE_OPCODES} opcodes`);
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    this.#checkFilled();
    return this.#stack.pop()!;
  }

  top(): PickleValue {
    this.#checkFilled();
    return this.#stack[this.#stack.length - 1]!;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** Everything above the last mark, which goes as well. */
  popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleProblem('an opcode looks for a mark that was never set');
    return this.#stack.splice(mark);
  }

  /** POP on a mark that has nothing above it takes the mark. */
  popOrUnmark(): void {
    if (this.#marks.length > 0 && this.#marks[this.#marks.length - 1] === this.#stack.length)
      this.#marks.pop();
    else this.pop();
  }

  remember(key: number): void {
    this.memo.set(key, this.top());
  }

  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) throw new PickleProblem(`the memo has no value ${key}`);
    this.push(value);
  }

  call(target: PickleValue, args: readonly PickleValue[]): void {
    const isUnknown = target instanceof Inert && !target.isKnown;
    if (!(target instanceof Global || isUnknown))
      throw new PickleProblem(`expected a global to call, found ${describePickled(target)}`);
    this.push(this.host.call(target, args));
  }

  /** Python would hand `state` to the object on the stack; here only a placeholder keeps it. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof Inert) target.state = state;
    else if (target instanceof HostValue) target.setState(state);
    // A state_dict's `_metadata` comes this way: nothing that weights need.
    else if (!(target instanceof Dict)) {
      throw new PickleProblem(`expected an object to set the state of, found ${describePickled(target)}`);
    }
  }

  #checkFilled(): void {
    const floor = this.#marks.length > 0 ? this.#marks[this.#marks.length - 1]! : 0;
    if (this.#stack.length <= floor) throw new PickleProblem('an opcode takes a value off an empty stack');
  }
}

/** Where a pickle lies, for messages. */
export interface PicklePlace {
  readonly file: string;
  /** The zip entry, if it is in one. */
  readonly entry?: string;
  /** Byte of the file or the entry at which `bytes` begin. */
  readonly start: number;
}

/**
 * Reads the pickle that begins at `position` in `bytes`: its value, and the position after it. Nothing in it is called.
 * Throws a UserError that says what is wrong and at which byte; with `isWhole` false, a pickle that goes on
 * beyond `bytes` gives undefined instead.
 */
export function readPickle(
  bytes: Uint8Array,
  position: number,
  host: PickleHost,
  place: PicklePlace,
  isWhole: boolean,
): { value: PickleValue; end: number } | undefined {
  const reader = new ByteReader(bytes, position);
  try {
    const value = new PickleMachine(reader, host).run();
    return { value, end: reader.position };
  } catch (error) {
    if (error instanceof PickleCut && !isWhole) return undefined;
    if (!(error instanceof PickleProblem)) throw error;
    const where = place.entry === undefined ? '' : `${place.entry}, `;
    throw new UserError(`${place.file}: ${where}byte ${place.start + reader.position}: ${error.message}.`);
  }
}
