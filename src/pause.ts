/** Node's and its kin's; pages have none. */
const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => void };

/**
 * Lets other work of this thread have its turn. Not by a message where there is setImmediate: for its event Node loads
 * undici, which holds the thread up for 10 ms. A page's timers would wait for 4 ms each, or where it is hidden for a second.
 */
export function pause(): Promise<void> {
  if (setImmediate) return new Promise((resolve) => setImmediate(resolve));
  if (typeof MessageChannel === 'undefined') return new Promise((resolve) => setTimeout(resolve));
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
