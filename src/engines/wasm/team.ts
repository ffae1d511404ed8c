/** Runs programs on threads: workers that take tasks, and the calling thread where the caller wants to wait. */
import { UserError } from '../../errors.js';
import { pause } from '../../pause.js';
import { withTimeLimit } from '../../timeLimit.js';
import {
  ACTIVE,
  ARGUMENTS,
  CONTROL,
  controlWords,
  DONE,
  JOB,
  LIMIT,
  OPEN,
  SLEEPERS,
  STOPPED,
  TAKEN,
} from './control.js';
import type { Program } from './layOut.js';
import type { EngineMemory } from './memory.js';
import type { EngineExports } from './module.js';
import { WORKER_SOURCE, type WorkerMessage, type WorkerStart } from './worker.js';

/** A worker, as pages have it; what only Node has is optional. */
export interface EngineWorker {
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  postMessage(message: unknown): void;
  terminate(): unknown;
  /** Whether the process lives on for the worker's sake. */
  ref?(): void;
  unref?(): void;
}

/** Starts a worker that runs `source` as a classic script with web workers' onmessage and postMessage. */
export type StartWorker = (source: string) => EngineWorker;

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  readonly memory: EngineMemory;
  readonly kernels: Pick<EngineExports, 'execute'>;
  /** How many threads compute at once, at least 1. */
  readonly threads: number;
  /** Without it, the calling thread does all the work. */
  readonly startWorker?: StartWorker;
}

/** How long the calling thread computes, without workers, before it lets others have their turn, in ms. */
const SLICE = 8;
/** Every task; more than any program has. */
const ALL = 0x7fffffff;

/** What is to be known of a program to run it. */
export type RunnableProgram = Pick<
  Program,
  'words' | 'start' | 'groups' | 'count' | 'tasks' | 'own' | 'ownBytes' | 'threadBytes'
>;

/** A run of a program. */
export interface Run {
  readonly program: RunnableProgram;
  /** Writes its input; called again if the run has to start again. */
  readonly prepare: () => void;
  /** Takes its output, before anything else is run. */
  readonly collect: () => void;
}

interface Job {
  readonly number: number;
  readonly run: Run;
  /** Whether the main thread computes it, slice by slice. */
  readonly sliced: boolean;
  readonly settle: (error?: Error) => void;
}

interface Member {
  readonly worker: EngineWorker;
  readonly thread: number;
  /** Whether it has said that it runs. */
  isReady: boolean;
  /** Called once it runs, or never will. */
  onStart?: () => void;
}

/** Whether Atomics.wait is allowed here: not in a page's main thread, nor on memory that is not shared. */
function maySleep(words: Int32Array): boolean {
  try {
    Atomics.wait(words, JOB, Atomics.load(words, JOB) + 1, 0);
    return true;
  } catch {
    return false;
  }
}

export class Team {
  private held: Int32Array;
  private readonly sleeps: boolean;
  private members: Member[] | undefined;
  private job: Job | undefined;
  private jobs = 0;
  private closed = false;

  constructor(private readonly options: TeamOptions) {
    this.held = controlWords(options.memory.memory);
    this.sleeps = maySleep(this.held);
  }

  /** The words by which threads share a program; memory that is not shared moves as it grows. */
  private get words(): Int32Array {
    if (this.held.length === 0) this.held = controlWords(this.options.memory.memory);
    return this.held;
  }

  /**
   * Starts the workers and waits until they run; those that do not within `ms` milliseconds are given up.
   *
   * @returns how many run
   */
  async start(ms: number): Promise<number> {
    const members = [...this.startWorkers()];
    const starts = members.map((member) =>
      member.isReady
        ? undefined
        : new Promise<void>((resolve) => {
            member.onStart = resolve;
          }),
    );
    await withTimeLimit(
      Promise.all(starts).then(() => {}),
      ms,
      () => {},
    );
    for (const member of members) {
      if (member.isReady) continue;
      member.worker.terminate();
      this.lose(member);
    }
    return this.members!.length;
  }

  /** Runs a program to its end while the caller waits; one that is under way is ended first. */
  runNow({ program, prepare, collect }: Run): void {
    const { threads } = this.options;
    this.finishJob();
    if (threads > 1) this.startWorkers();
    prepare();
    this.open(program, threads - 1);
    try {
      if (!this.compute(program, this.sleeps, ALL)) this.waitForTasks(program.tasks);
      if (Atomics.load(this.words, STOPPED)) throw new Error('WASM engine: a thread failed');
      collect();
    } finally {
      this.close();
    }
  }

  /** Runs a program on the workers. One at a time: the caller waits for the last before the next. */
  async run(run: Run): Promise<void> {
    for (;;) {
      if (this.closed) throw disposed();
      try {
        if (this.startWorkers().length === 0) return await this.runInSlices(run);
        return await this.runOnWorkers(run);
      } catch (error) {
        // A worker that died took a task with it: the others start the run again.
        if (!(error instanceof WorkerDied)) throw error;
      }
    }
  }

  /** Ends the job under way: its tasks are left undone. */
  stop(): void {
    Atomics.store(this.words, STOPPED, 1);
    this.job?.settle(new UserError('the call was aborted'));
  }

  /** Ends the workers. */
  dispose(): void {
    this.closed = true;
    Atomics.store(this.words, STOPPED, 1);
    for (const { worker } of this.members ?? []) {
      worker.onerror = null;
      worker.terminate();
    }
    this.members = [];
    // Deno does not end a worker that sleeps: it is woken, and ends by itself.
    Atomics.store(this.words, OPEN, -1);
    Atomics.add(this.words, JOB, 1);
    Atomics.notify(this.words, JOB);
    this.job?.settle(disposed());
  }

  private startWorkers(): Member[] {
    if (this.members) return this.members;
    const { startWorker, threads } = this.options;
    this.members = [];
    for (let thread = 0; startWorker && thread < threads; thread++) {
      try {
        this.addWorker(startWorker(WORKER_SOURCE), thread);
      } catch {
        // Fewer threads then.
        break;
      }
    }
    return this.members;
  }

  private addWorker(worker: EngineWorker, thread: number): void {
    const { module, memory } = this.options;
    const member: Member = { worker, thread, isReady: false };
    worker.onmessage = ({ data }) => this.hear(data as WorkerMessage, member);
    worker.onerror = () => this.lose(member);
    const start: WorkerStart = { module, memory: memory.memory, thread };
    worker.postMessage(start);
    worker.unref?.();
    this.members!.push(member);
  }

  private hear(message: WorkerMessage, member: Member): void {
    if ('ready' in message) {
      member.isReady = true;
      member.onStart?.();
    }
    const job = this.job;
    if (!job) return;
    if ('finished' in message && message.finished === job.number) job.settle();
    if ('failed' in message && message.job === job.number) {
      job.settle(new Error(`WASM engine: a thread failed: ${message.failed}`));
    }
  }

  /** A worker has died, or never started; it may say so twice (an error, then its end). */
  private lose(member: Member): void {
    if (!this.members?.includes(member)) return; // the job under way by now is not the one that it was in
    this.members = this.members.filter((other) => other !== member);
    member.onStart?.();
    Atomics.store(this.words, ACTIVE + member.thread, 0);
    if (this.job?.sliced) return; // no worker takes part in it
    Atomics.store(this.words, STOPPED, 1);
    this.job?.settle(new WorkerDied());
  }

  /** Begins a job; the promise settles when it has ended. */
  private begin(run: Run, sliced: boolean, limit: number): Promise<void> {
    run.prepare();
    return new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        this.job = undefined;
        try {
          if (error) throw error;
          run.collect();
          resolve();
        } catch (reason) {
          reject(reason);
        }
      };
      this.job = { number: this.jobs + 1, run, sliced, settle };
      this.open(run.program, limit);
    });
  }

  private async runOnWorkers(run: Run): Promise<void> {
    const members = this.members!;
    for (const { worker } of members) worker.ref?.();
    try {
      await this.begin(run, false, this.options.threads);
    } finally {
      for (const { worker } of members) worker.unref?.();
      // First no more threads may join, then those that have are waited for: they are about to leave, or, after a stop,
      // end their task. A worker that came later would take tasks of the next job for those of this one.
      Atomics.store(this.words, OPEN, this.closed ? -1 : 0);
      while (this.isActive() && !this.closed) await pause();
    }
  }

  private async runInSlices(run: Run): Promise<void> {
    const ended = this.begin(run, true, 0);
    const { job } = this;
    let begun = performance.now();
    // A caller that does not wait may have ended the job meanwhile (finishJob).
    while (this.job === job) {
      if (this.compute(run.program, false, 1)) job!.settle();
      if (performance.now() - begun < SLICE) continue;
      await pause();
      begun = performance.now();
    }
    return ended;
  }

  /** Takes part in the job as the calling thread; whether it did the last task. */
  private compute(program: RunnableProgram, sleeps: boolean, most: number): boolean {
    const { kernels, threads } = this.options;
    const { groups, count, ownBytes, threadBytes } = program;
    const own = program.own + threads * threadBytes;
    return Boolean(kernels.execute(groups, count, CONTROL, own, own + ownBytes, sleeps, most));
  }

  /** Writes the program and lets workers with numbers below `limit` join. */
  private open(program: RunnableProgram, limit: number): void {
    const { words } = this;
    const { buffer } = this.options.memory.memory;
    new Int32Array(buffer, program.start, program.words.length).set(program.words);
    const { groups, count, own, ownBytes, threadBytes } = program;
    words.set([groups, count, own, ownBytes, threadBytes], ARGUMENTS);
    words[LIMIT] = limit;
    words[TAKEN] = 0;
    words[DONE] = 0;
    words[STOPPED] = 0;
    this.jobs += 1;
    Atomics.store(words, OPEN, this.jobs);
    Atomics.store(words, JOB, this.jobs);
    if (limit > 0) Atomics.notify(words, JOB);
  }

  /** Keeps workers from joining, and waits for those who have. */
  private close(): void {
    Atomics.store(this.words, OPEN, 0);
    while (this.isActive());
  }

  private isActive(): boolean {
    return (this.members ?? []).some(({ thread }) => Atomics.load(this.words, ACTIVE + thread) !== 0);
  }

  /** Waits, without giving way to other work of this thread, until the job under way has ended. */
  private finishJob(): void {
    const job = this.job;
    if (!job) {
      this.close();
      return;
    }
    if (job.sliced) this.compute(job.run.program, false, ALL);
    else this.waitForTasks(job.run.program.tasks);
    this.close();
    job.settle(Atomics.load(this.words, STOPPED) ? new WorkerDied() : undefined);
  }

  private waitForTasks(tasks: number): void {
    const { words } = this;
    for (let done = Atomics.load(words, DONE); done < tasks; done = Atomics.load(words, DONE)) {
      if (Atomics.load(words, STOPPED)) return;
      if (!this.sleeps) continue;
      Atomics.add(words, SLEEPERS, 1);
      Atomics.wait(words, DONE, done, 5);
      Atomics.sub(words, SLEEPERS, 1);
    }
  }
}

function disposed(): UserError {
  return new UserError('the model was disposed of before its answer was ready');
}

class WorkerDied extends Error {
  override readonly name = 'WorkerDied';
}
