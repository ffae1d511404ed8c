/**
 * In place of control.ts where one thread computes on memory that is not shared: browsers that share no memory refuse
 * modules with atomic operations.
 */

/** Tasks taken. */
const TAKEN: usize = 0;
/** Tasks done. */
const DONE: usize = 64;
/** Not zero once the result is no longer wanted. */
const STOPPED: usize = 128;

// @ts-ignore: decorator
@inline
export function takeTask(control: usize): i32 {
  const task = load<i32>(control + TAKEN);
  store<i32>(control + TAKEN, task + 1);
  return task;
}

// @ts-ignore: decorator
@inline
export function isStopped(control: usize): bool {
  return load<i32>(control + STOPPED) != 0;
}

/** The tasks before have been done by this thread, unless the program was stopped. */
export function waitFor(control: usize, count: i32, sleeps: bool): bool {
  return load<i32>(control + DONE) >= count;
}

/** Counts a task as done. */
export function finishTask(control: usize, end: i32): i32 {
  const done = load<i32>(control + DONE) + 1;
  store<i32>(control + DONE, done);
  return done;
}
