/** A picture worker for the tests that does not start. */
throw new Error('no such library');

export {};
