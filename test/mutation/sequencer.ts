/** A jest test sequencer: test files in the order of $DEIT_MUTATION_TESTS, a JSON array. */
export default class GivenOrder {
  sort<T extends { path: string }>(tests: T[]): T[] {
    const order = JSON.parse(process.env.DEIT_MUTATION_TESTS ?? '[]') as string[];
    return tests.toSorted((a, b) => order.indexOf(a.path) - order.indexOf(b.path));
  }

  shard<T>(tests: T[]): T[] {
    return tests;
  }

  allFailedTests<T>(tests: T[]): T[] {
    return tests;
  }

  cacheResults(): void {}
}
