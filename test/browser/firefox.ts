/**
 * Finds, starts and drives Firefox by its own Marionette protocol (firefox-source-docs, "Marionette: Protocol"), which every
 * release speaks; Playwright drives builds of its own alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe } from '@jest/globals';

/** Path of a Firefox to be used in place of one that is installed. */
const VARIABLE = 'DEIT_FIREFOX';
const NAMES = ['firefox', 'firefox-esr'];
const START_MS = 60_000;
const SCRIPT_MS = 120_000;

/** A camera that is none, no questions, and nothing that reaches the network by itself. */
const PREFERENCES: Readonly<Record<string, string | number | boolean>> = {
  'marionette.port': 0,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.enabled': false,
};

export function findFirefox(): string | undefined {
  const named = process.env[VARIABLE];
  if (named) {
    if (!existsSync(named)) throw new Error(`${VARIABLE}: there is no ${named}`);
    return named;
  }
  const folders = (process.env.PATH ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) =>
    existsSync(path),
  );
}

/** As jest's describe, where Firefox is found; where not, the tests are skipped and their title says why. */
export function describeInFirefox(title: string, tests: () => void): void {
  if (findFirefox()) {
    describe(title, tests);
    return;
  }
  const why = `SKIPPED, no Firefox was found; install one (Debian: apt-get install firefox-esr) or set ${VARIABLE} to its path`;
  process.stderr.write(`browser tests, ${title}: ${why}\n`);
  describe.skip(`${title}: ${why}`, tests);
}

/** One window of a headless Firefox. */
export class Firefox {
  private constructor(
    private readonly process: ChildProcess,
    private readonly profile: string,
    private readonly connection: Marionette,
  ) {}

  static async launch(size: { width: number; height: number }): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), 'deit-firefox-'));
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, 'user.js'), lines.join(''));
    const child = spawn(findFirefox()!, ['--headless', '--marionette', '--no-remote', '--profile', profile], {
      stdio: 'ignore',
      env: { ...process.env, HOME: profile },
    });
    try {
      const connection = await Marionette.connect(await portOf(profile, child));
      const started = new Firefox(child, profile, connection);
      await connection.send('WebDriver:NewSession', {});
      await connection.send('WebDriver:SetTimeouts', { script: SCRIPT_MS, pageLoad: SCRIPT_MS });
      await connection.send('WebDriver:SetWindowRect', size);
      return started;
    } catch (error) {
      child.kill();
      await rm(profile, { recursive: true, force: true });
      throw error;
    }
  }

  async goto(url: string): Promise<void> {
    await this.connection.send('WebDriver:Navigate', { url });
  }

  /** Runs a function in the page, which must need nothing around it; gives what it, or its promise, gives. */
  async evaluate<Args extends unknown[], T>(
    run: (...args: Args) => T | Promise<T>,
    ...args: Args
  ): Promise<T> {
    const script = `
      const done = arguments[arguments.length - 1];
      Promise.resolve((${run})(...[...arguments].slice(0, -1))).then(
        (value) => done({ value }), (error) => done({ error: String(error) }));`;
    const answer = await this.connection.send('WebDriver:ExecuteAsyncScript', {
      script,
      args,
      sandbox: null,
    });
    const { value, error } = (answer as { value: { value: T; error?: string } }).value;
    if (error !== undefined) throw new Error(`in the page: ${error}`);
    return value;
  }

  /** Waits until a function gives something true in the page. */
  async waitFor<Args extends unknown[]>(run: (...args: Args) => unknown, ...args: Args): Promise<void> {
    for (const end = Date.now() + SCRIPT_MS; Date.now() < end; ) {
      if (await this.evaluate(run, ...args)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`waited in vain for ${run}(${args.join(', ')})`);
  }

  /** A PNG of the window. */
  async screenshot(): Promise<Buffer> {
    const { value } = (await this.connection.send('WebDriver:TakeScreenshot', { full: false })) as {
      value: string;
    };
    return Buffer.from(value, 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    await this.connection.send('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => this.process.kill());
    await ended;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Firefox writes the port that it took into its profile. */
async function portOf(profile: string, child: ChildProcess): Promise<number> {
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    if (child.exitCode !== null) throw new Error(`Firefox ended with code ${child.exitCode}`);
    const text = await readFile(join(profile, 'MarionetteActivePort'), 'utf8').catch(() => '');
    if (text !== '') return Number(text);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Firefox has not started within ${START_MS / 1000} s`);
}

type Answer = [type: 1, id: number, error: { error: string; message: string } | null, result: unknown];

/** The protocol: messages of JSON with their length before them, `LENGTH:[0, id, command, parameters]`. */
class Marionette {
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private received = Buffer.alloc(0);
  private next = 1;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes) => this.receive(bytes));
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('Firefox has closed the connection'));
    });
    socket.on('error', () => {}); // `close` comes after it
  }

  static connect(port: number): Promise<Marionette> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Marionette(socket)));
      socket.once('error', reject);
    });
  }

  send(command: string, parameters: object): Promise<unknown> {
    const id = this.next++;
    const text = JSON.stringify([0, id, command, parameters]);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  }

  private receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    for (;;) {
      const colon = this.received.indexOf(':');
      if (colon < 0) return;
      const end = colon + 1 + Number(this.received.subarray(0, colon));
      if (this.received.length < end) return;
      const message: Answer | object = JSON.parse(String(this.received.subarray(colon + 1, end)));
      this.received = this.received.subarray(end);
      if (Array.isArray(message)) this.take(message as Answer); // the first one greets
    }
  }

  private take([, id, error, result]: Answer): void {
    const { resolve, reject } = this.waiting.get(id)!;
    this.waiting.delete(id);
    if (error) reject(new Error(`${error.error}: ${error.message}`));
    else resolve(result);
  }
}
