import { UserError } from '../errors.js';
import { importOptional } from '../node/optionalPackages.js';
import type { RedisAddress } from '../node/queue/connection.js';
import { readLines } from '../node/readLines.js';
import { say } from './print.js';
import { UsageError } from './usage.js';

/** How commands are told of Redis. */
export interface RedisArgs {
  /** Address; empty where the option has no value: then DEIT_REDIS_URL holds it. */
  queue?: string;
  redisPasswordFile?: string;
}

/** The options of RedisArgs. */
export function redisOptions(describe: string) {
  return {
    queue: { type: 'string', describe: `${describe}; by default $DEIT_REDIS_URL` },
    'redis-password-file': {
      type: 'string',
      describe:
        'file with the password of Redis, which others cannot see as in the address; or $DEIT_REDIS_PASSWORD',
    },
  } as const;
}

/**
 * Where Redis is. The password stands in a file, in the address or in DEIT_REDIS_PASSWORD: the first of them counts, and
 * a file beside an address with a password is wrong usage.
 */
export async function redisAddress(args: RedisArgs): Promise<RedisAddress> {
  const { DEIT_REDIS_URL, DEIT_REDIS_PASSWORD } = process.env;
  const url = args.queue || DEIT_REDIS_URL;
  if (!url) throw new UsageError('say where Redis is: --queue redis://HOST:PORT, or DEIT_REDIS_URL');
  const file = args.redisPasswordFile;
  // The queue's client is large and few commands need it.
  const { parseRedisUrl } = await importOptional(
    'queue',
    '--queue',
    () => import('../node/queue/connection.js'),
  );
  const address = parseRedisUrl(url, file === undefined ? DEIT_REDIS_PASSWORD : await passwordIn(file));
  const inUrl = /^rediss?:\/\/[^/]*:[^/]*@/.test(url);
  if (inUrl && file !== undefined) {
    throw new UsageError(
      'the address of Redis has a password and --redis-password-file another; give one of them',
    );
  }
  if (inUrl && args.queue) {
    say(
      'the password of Redis can be seen in the list of processes; DEIT_REDIS_URL, DEIT_REDIS_PASSWORD and ' +
        '--redis-password-file hide it',
    );
  }
  return address;
}

async function passwordIn(file: string): Promise<string> {
  const [password] = await readLines(file);
  if (password) return password;
  throw new UserError(`${file}: is empty; expected the password of Redis in its first line`);
}
