/** A Redis server of a test's own (Debian's package redis-server), on a free port of this machine. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireRedis } from '../../src/node/queue/connection.js';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly args: readonly string[],
  ) {}

  static async start(...args: string[]): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'deit-redis-'));
    const server = new RedisServer(folder, await freePort(), args);
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Id of the server's process. */
  get pid(): number {
    return this.child!.pid!;
  }

  private async run(): Promise<void> {
    const args = [
      '--port',
      `${this.port}`,
      '--bind',
      '127.0.0.1',
      '--dir',
      this.folder,
      '--save',
      '',
      ...this.args,
    ];
    this.child = spawn('redis-server', args, { stdio: 'ignore' });
    const { options, shown } = {
      options: { host: '127.0.0.1', port: this.port, maxRetriesPerRequest: null },
      shown: '',
    };
    for (let tries = 0; ; tries++) {
      try {
        return await requireRedis({ options, shown });
      } catch (error) {
        // With a password it answers all the same, and says that it wants one.
        if (/NOAUTH|WRONGPASS/.test((error as Error).message)) return;
        if (tries === 100) throw error;
        await sleep(50);
      }
    }
  }

  /** Ends the server at once, with all that it held in memory, and starts it anew. */
  async crash(awayMs = 300): Promise<void> {
    await this.kill();
    await sleep(awayMs);
    await this.run();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async kill(): Promise<void> {
    const exited = once(this.child!, 'exit');
    this.child!.kill('SIGKILL');
    await exited;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
