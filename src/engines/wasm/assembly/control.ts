/**
 * How threads share a program (program.ts): a block of shared memory with one word in each of four lines of the cache, so
 * that those who count do not slow down those who read.
 */

/** Tasks taken. */
const TAKEN: usize = 0;
/** Tasks done. */
const DONE: usize = 64;
/** Not zero once a thread has failed, or the result is no longer wanted. */
const STOPPED: usize = 128;
/** Threads that sleep until DONE grows. */
const SLEEPERS: usize = 192;

/** Loads of DONE before a thread goes to sleep: some 20 µs, about what waking up takes. */
const SPINS: i32 = 20_000;
/** A sleeping thread checks every 50 ms: a thread that died in a task must not be waited for without end. */
const SLEEP_NS: i64 = 50_000_000;

// @ts-ignore: decorator
@inline
export function takeTask(control: usize): i32 {
  return atomic.add<i32>(control + TAKEN, 1);
}

// @ts-ignore: decorator
@inline
export function isStopped(control: usize): bool {
  return atomic.load<i32>(control + STOPPED) != 0;
}

/** Waits until `count` tasks are done; false if the program was stopped. */
export function waitFor(control: usize, count: i32, sleeps: bool): bool {
  let done = atomic.load<i32>(control + DONE);
  for (let i = 0; done < count; i++) {
    if (atomic.load<i32>(control + STOPPED)) return false;
    if (sleeps && i >= SPINS) {
      atomic.add<i32>(control + SLEEPERS, 1);
      atomic.wait<i32>(control + DONE, done, SLEEP_NS);
      atomic.sub<i32>(control + SLEEPERS, 1);
    }
    done = atomic.load<i32>(control + DONE);
  }
  return true;
}

/** Counts a task as done; at `end`, which ends a group, those who sleep are woken. */
export function finishTask(control: usize, end: i32): i32 {
  const done = atomic.add<i32>(control + DONE, 1) + 1;
  if (done == end && atomic.load<i32>(control + SLEEPERS)) atomic.notify(control + DONE, -1);
  return done;
}
