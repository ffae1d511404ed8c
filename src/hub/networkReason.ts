const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host is not found',
  EAI_AGAIN: 'the host is not found: no network, or no name server',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'the host does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'the host does not answer',
  ENETUNREACH: 'there is no network',
  EHOSTUNREACH: 'there is no way to the host',
};

/** Says why fetch failed; Node keeps the reason in `cause`, several in an AggregateError. */
export function networkReason(error: unknown): string {
  type Cause = Error & { code?: string; errors?: Cause[] };
  const { message, cause } = error as Error & { cause?: Cause };
  const inner = cause?.errors?.[0] ?? cause;
  return REASONS[inner?.code ?? ''] ?? inner?.message ?? message;
}
