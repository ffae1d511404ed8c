import { expect, jest, test } from '@jest/globals';
import { assumptionsOf, sayAssumptions } from '../../src/cli/assumptions.js';

test('what was assumed of a model is said, a line each; of one that assumes nothing there is nothing', () => {
  const said: string[] = [];
  const spy = jest.spyOn(console, 'error').mockImplementation((line) => void said.push(String(line)));
  const assumptions = [{ field: 'numHeads', value: '6', why: 'width / 64;\nMoCo v3 has 12: --num-heads' }];
  sayAssumptions({ config: {}, assumptions });
  sayAssumptions({ config: {} });
  spy.mockRestore();
  expect(said).toEqual(['assumed: numHeads 6: width / 64; MoCo v3 has 12: --num-heads']);
  expect(assumptionsOf({ config: {}, assumptions })).toEqual(assumptions);
  expect(assumptionsOf({ config: {} })).toEqual([]);
});
