import { expect } from '@jest/globals';
import { UserError } from '../src/errors.js';

/** The message of work that must fail with a UserError of one line. */
export async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error!.message).not.toContain('\n');
  return error!.message;
}
