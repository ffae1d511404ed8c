import { Redis, type RedisOptions } from 'ioredis';
import { UserError } from '../../errors.js';

/** How long a first connection to Redis may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** What both clients of Redis, BullMQ and ioredis, take. */
type ConnectionOptions = Pick<RedisOptions, 'host' | 'port' | 'db' | 'username' | 'password' | 'tls'> & {
  maxRetriesPerRequest: null;
};

/** A Redis server: `redis://` or, with TLS, `rediss://[user:password@]host[:port][/database]`. */
export interface RedisAddress {
  readonly options: ConnectionOptions;
  /** The address without user and password, for messages. */
  readonly shown: string;
}

/**
 * Reads an address. Throws a UserError for what is none; the message never holds the password.
 *
 * @param password taken as it is, where the address has none
 */
export function parseRedisUrl(text: string, password?: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = url?.pathname.replace(/^\//, '') ?? '';
  if (!url || !/^rediss?:$/.test(url.protocol) || !url.hostname || !/^\d*$/.test(database)) {
    throw new UserError(
      'the queue is no Redis address; expected redis:// or rediss://[user:password@]host[:port][/database]; a password ' +
        'with / ? # or @ in it stands in DEIT_REDIS_PASSWORD, or percent-encoded in the address',
    );
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 6379 : Number(url.port);
  return {
    shown: `${url.protocol}//${url.hostname}:${port}${database ? `/${database}` : ''}`,
    options: {
      host,
      port,
      db: Number(database || 0),
      username: url.username ? decoded(url.username) : undefined,
      password: url.password ? decoded(url.password) : password,
      tls: url.protocol === 'rediss:' ? { servername: host } : undefined,
      // Once connected, commands wait for a server that is away for a while, however long that is.
      maxRetriesPerRequest: null,
    },
  };
}

/** A part of an address without its percent-encoding; a `%` that begins none stands for itself. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes);
    } catch {
      return codes; // bytes that are no UTF-8
    }
  });
}

/** Connects once, to tell a wrong address or password before any work. Throws a UserError. */
export async function requireRedis({ options, shown }: RedisAddress): Promise<void> {
  const client = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let cause: Error | undefined;
  client.on('error', (error) => {
    cause = error;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    const { message, code } = (cause ?? error) as NodeJS.ErrnoException;
    throw new UserError(
      `${shown}: Redis cannot be used (${code && !message.includes(code) ? `${code}: ` : ''}${message}); ` +
        'check that it runs, the address and the password',
    );
  } finally {
    client.disconnect();
  }
}

/** A handler of connection errors that says when the server goes away, once, and lets the client try again. */
export function outageLog(shown: string, log: (line: string) => void) {
  let away = false;
  return {
    onError(error: Error): void {
      if (away) return;
      away = true;
      log(
        `${shown}: connection lost (${(error as NodeJS.ErrnoException).code ?? error.message}); waiting for it`,
      );
    },
    onReady(): void {
      if (away) log(`${shown}: connected again`);
      away = false;
    },
  };
}
