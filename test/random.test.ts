import { describe, expect, test } from '@jest/globals';
import { Random } from '../src/random.js';

/** Values below x of a million, in deviations of that count from what the normal distribution says. */
const COUNT = 1_000_000;
const random = Random.fromSeed(5);
const values = Float64Array.from({ length: COUNT }, () => random.normal());
const mean = (f: (value: number) => number) => values.reduce((sum, value) => sum + f(value), 0) / COUNT;

/** Φ(x), by scipy.stats.norm.cdf. */
const BELOW: [number, number][] = [
  [-4, 3.167124183311986e-5],
  [-3.442619855899, 2.880542561958196e-4],
  [-3, 1.3498980316300933e-3],
  [-2, 2.275013194817921e-2],
  [-1, 1.58655253931457e-1],
  [-0.5, 3.085375387259869e-1],
  [-0.01, 4.960106436853684e-1],
  [0, 0.5],
  [0.2722, 0.607265879081728],
  [1, 0.8413447460685429],
  [2, 0.9772498680518208],
  [3.442619855899, 0.9997119457438042],
  [4, 0.9999683287581669],
];

describe('normal', () => {
  test.each(BELOW)('as many values below %s as there should be', (x, share) => {
    const found = mean((value) => (value < x ? 1 : 0));
    expect(Math.abs(found - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / COUNT));
  });

  test('has the moments 0, 1, 0, 3', () => {
    expect(Math.abs(mean((x) => x))).toBeLessThan(4 / Math.sqrt(COUNT));
    expect(Math.abs(mean((x) => x ** 2) - 1)).toBeLessThan(4 * Math.sqrt(2 / COUNT));
    expect(Math.abs(mean((x) => x ** 3))).toBeLessThan(4 * Math.sqrt(15 / COUNT));
    expect(Math.abs(mean((x) => x ** 4) - 3)).toBeLessThan(4 * Math.sqrt(96 / COUNT));
  });

  test('values that follow each other have nothing to do with each other', () => {
    let sum = 0;
    for (let i = 1; i < COUNT; i++) sum += values[i]! * values[i - 1]!;
    expect(Math.abs(sum / COUNT)).toBeLessThan(4 / Math.sqrt(COUNT));
  });

  test('many at once are those that come one by one', () => {
    const [first, second] = [Random.fromSeed(7), Random.fromSeed(7)];
    const filled = new Float64Array(100_000);
    first.fillNormal(filled, 0.5);
    expect(filled).toEqual(filled.map(() => 0.5 * second.normal()));
    expect(first.state).toEqual(second.state);
  });

  test('goes on where a stored state stood', () => {
    const first = Random.fromSeed(9);
    first.normal();
    const { state } = first;
    const next = Array.from({ length: 300 }, () => first.normal());
    const second = Random.fromState(state);
    expect(Array.from({ length: 300 }, () => second.normal())).toEqual(next);
  });
});
