import { expect, test } from '@jest/globals';
import { mutantsOf, mutate } from './mutants.js';

const programs = (source: string) => mutantsOf(source).map((mutant) => mutate(source, mutant));

test('changes one operator, constant, condition or method at a time', () => {
  expect(programs('a(x) + 1')).toEqual(['a(x) - 1', 'a(x) + 2']);
  expect(programs('y *= 0.5')).toEqual(['y /= 0.5', 'y *= 1']);
  expect(programs('if (a) b()')).toEqual(['if (true) b()', 'if (false) b()']);
  expect(programs('a ? b : c')).toEqual(['true ? b : c', 'false ? b : c']);
  expect(programs('!a && -b')).toEqual(['a && -b', '!a || -b', '!a && b']);
  expect(programs('tf.mean(x)')).toEqual(['tf.sum(x)']);
  expect(programs('f(true)')).toEqual(['f(false)']);
});

test('leaves names, texts, imports and what is thrown as they are', () => {
  expect(
    programs("import { a } from './1.js'; const b = 'x' , c = a.mean; throw new Error('1' + 2)"),
  ).toEqual([]);
});
