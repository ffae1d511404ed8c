import { parseAst } from 'vite';

/** A change of one operator, constant or condition of a program. */
export interface Mutant {
  /** Offsets in the source text. */
  readonly start: number;
  readonly end: number;
  /** What stands between them instead. */
  readonly replacement: string;
}

/** A node of the syntax tree (ESTree). */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Operators of two operands, and what each becomes. */
const OPERATORS: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
  '&': '|',
  '|': '&',
  '^': '&',
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '/=': '*=',
};

/** Methods of tfjs, Math and arrays, and what a call of each becomes. */
const METHODS: Readonly<Record<string, string>> = {
  add: 'sub',
  sub: 'add',
  mul: 'div',
  div: 'mul',
  sum: 'mean',
  mean: 'sum',
  sqrt: 'square',
  square: 'abs',
  rsqrt: 'sqrt',
  floor: 'ceil',
  ceil: 'floor',
  round: 'floor',
  min: 'max',
  max: 'min',
  minimum: 'maximum',
  maximum: 'minimum',
  some: 'every',
  every: 'some',
  argMax: 'argMin',
  softmax: 'sigmoid',
  logSoftmax: 'logSigmoid',
};

/** Every mutant of a program. What is thrown is left out: the texts of errors are no part of what is computed. */
export function mutantsOf(source: string): Mutant[] {
  const mutants: Mutant[] = [];
  walk(parseAst(source) as unknown as Node, (node) => {
    mutants.push(...mutantsOfNode(node, source));
  });
  return mutants.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The program with a mutant in it. */
export function mutate(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

function walk(node: Node, visit: (node: Node) => void): void {
  if (node.type === 'ThrowStatement' || node.type === 'ImportDeclaration') return;
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function mutantsOfNode(node: Node, source: string): Mutant[] {
  const whole = (replacement: string): Mutant => ({ start: node.start, end: node.end, replacement });
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression':
    case 'AssignmentExpression':
      return operatorMutants(node, source);
    case 'UnaryExpression': {
      const argument = node.argument as Node;
      const isSign = node.operator === '!' || node.operator === '-';
      return isSign ? [whole(source.slice(argument.start, argument.end))] : [];
    }
    case 'Literal':
      if (typeof node.value === 'number') return [whole(otherNumber(node.value))];
      return typeof node.value === 'boolean' ? [whole(String(!node.value))] : [];
    case 'IfStatement':
    case 'ConditionalExpression': {
      const { start, end } = node.test as Node;
      return ['true', 'false'].map((replacement) => ({ start, end, replacement }));
    }
    case 'CallExpression': {
      const callee = node.callee as Node;
      const property = callee.property as Node;
      if (callee.type !== 'MemberExpression' || callee.computed) return [];
      const name = String(property.name);
      if (!Object.hasOwn(METHODS, name)) return [];
      return [{ start: property.start, end: property.end, replacement: METHODS[name]! }];
    }
    default:
      return [];
  }
}

function operatorMutants(node: Node, source: string): Mutant[] {
  const operator = String(node.operator);
  if (!Object.hasOwn(OPERATORS, operator)) return [];
  const between = (node.left as Node).end;
  const start = source.indexOf(operator, between);
  return [{ start, end: start + operator.length, replacement: OPERATORS[operator]! }];
}

/** A count becomes one more; a fraction, which is a factor or a tolerance, twice as much. */
function otherNumber(value: number): string {
  return String(Number.isInteger(value) ? value + 1 : 2 * value);
}
