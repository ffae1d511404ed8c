/**
 * An error whose message is meant for the user: one line that says what went wrong, where, and what to do.
 * The command line prints it without a stack trace; anything else that is thrown is a defect.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}
