import { describe, expect, test } from '@jest/globals';
import { parseRedisUrl, requireRedis } from '../../../src/node/queue/connection.js';

describe('the address of Redis', () => {
  test('gives host, port, database, user, password and TLS, and shows no password', () => {
    const { options, shown } = parseRedisUrl('rediss://me:p%40ss@queue.example:6380/2');
    expect(options).toMatchObject({
      host: 'queue.example',
      port: 6380,
      db: 2,
      username: 'me',
      password: 'p@ss',
      tls: { servername: 'queue.example' },
    });
    expect(shown).toBe('rediss://queue.example:6380/2');
  });

  test.each([
    ['redis://:100%@x', '100%'],
    ['redis://:50%25%@x', '50%%'],
    ['redis://:a%zz%C3%BC@x', 'a%zzü'],
    ['redis://:%ff@x', '%ff'],
  ])('takes a percent sign that begins no code for itself: %s', (url, password) => {
    expect(parseRedisUrl(url).options.password).toBe(password);
  });

  test('takes a password from elsewhere as it is, unless the address has one', () => {
    expect(parseRedisUrl('redis://x', 'p%40#/?').options.password).toBe('p%40#/?');
    expect(parseRedisUrl('redis://:own@x', 'other').options.password).toBe('own');
  });

  test('has the usual port, no TLS and IPv6', () => {
    expect(parseRedisUrl('redis://[::1]').options).toMatchObject({
      host: '::1',
      port: 6379,
      db: 0,
      tls: undefined,
    });
  });

  test.each([
    '',
    'localhost:6379',
    'http://:secret@x',
    'redis://',
    'redis://x/secret',
  ])('is refused as %j', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(/^(?!.*secret).*no Redis address/);
  });

  test('is told where nothing listens', async () => {
    await expect(requireRedis(parseRedisUrl('redis://:secret@127.0.0.1:1'))).rejects.toThrow(
      /^redis:\/\/127\.0\.0\.1:1: Redis cannot be used \(.*ECONNREFUSED.*\)/,
    );
  });
});
