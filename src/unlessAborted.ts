/**
 * What `promise` gives, unless the signal aborts first: then rejects with its reason. The listener goes with the wait:
 * Promise.race with one promise for the signal would keep every result alive as long as the signal.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
