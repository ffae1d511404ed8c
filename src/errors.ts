import { oneLine } from './text.js';

/**
 * An error whose message is meant for the user: one line that says what went wrong, where, and what to do, whatever the
 * names of files and classes in it hold.
 * The command line prints it without a stack trace; anything else that is thrown is a defect.
 */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}

/** That a backend which works cannot take this model, e.g. as its memory is too small. `auto` goes on to the next. */
export class ModelRefused extends UserError {}

/**
 * That a setting of the process (an environment variable) is wrong, or asks for what is not here. Where one of several
 * backends is chosen, what it was set for is not passed over.
 */
export class SettingError extends UserError {}
