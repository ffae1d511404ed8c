/** A thread that reads images, for the tests, which does not start. */
throw new Error('no such library');

export {};
