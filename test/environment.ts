/**
 * Jest's environment of Node with a plain global object. By default each read of `Math` or `Float32Array` in a test, and in
 * what it tests, goes through an interceptor: what computes takes two to four times as long there as it does in Node.
 */
import vm from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

/** Node 20.18, 22.8 and later. */
const DONT_CONTEXTIFY = vm.constants.DONT_CONTEXTIFY as number | undefined;

export default class PlainEnvironment extends TestEnvironment {
  constructor(...args: ConstructorParameters<typeof TestEnvironment>) {
    const { createContext } = vm;
    // Jest has no option for this: the object that it would have contextified is left out.
    if (DONT_CONTEXTIFY) Object.assign(vm, { createContext: () => createContext(DONT_CONTEXTIFY) });
    try {
      super(...args);
    } finally {
      Object.assign(vm, { createContext });
    }
  }
}
