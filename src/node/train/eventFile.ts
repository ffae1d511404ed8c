import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { asUserError } from '../fileErrors.js';
import { makeFolder } from '../makeFolder.js';
import { writeAll } from '../writeAll.js';
import { maskedCrc32c } from './crc32c.js';

/** Field numbers of tensorflow/core/util/event.proto and framework/summary.proto. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_STATUS = 1;
const SESSION_START = 1;

/** TensorBoard takes files by this part of their names. */
const MARK = 'tfevents';

/** Scalars for TensorBoard: an event file, a TFRecord an event (tensorflow/core/lib/io/record_writer). */
export class EventFile {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Makes a new event file in a folder.
   *
   * @param firstStep events of this and later steps in older files of the folder are of a run that was broken off:
   *   TensorBoard drops them
   */
  static async create(folder: string, firstStep: number, now = Date.now()): Promise<EventFile> {
    const seconds = Math.floor(now / 1000);
    // TensorBoard reads a folder's files in the order of their names.
    const stamp = `${String(seconds).padStart(10, '0')}.${String(now % 1000).padStart(3, '0')}`;
    const path = join(folder, `events.out.${MARK}.${stamp}.${hostname()}.${process.pid}`);
    let events: EventFile | undefined;
    try {
      await makeFolder(folder);
      events = new EventFile(path, await open(path, 'wx'));
      await events.append(versionEvent(now));
      await events.append(startEvent(firstStep, now));
      return events;
    } catch (error) {
      await events?.close();
      throw asUserError(error, path);
    }
  }

  /** One event with a scalar for each tag; those that are undefined are left out. */
  async scalars(step: number, values: Record<string, number | undefined>, now = Date.now()): Promise<void> {
    await this.append(scalarEvent(step, values, now));
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async append(event: Uint8Array): Promise<void> {
    try {
      await writeAll(this.file, tfRecord(event));
    } catch (error) {
      throw asUserError(error, this.path);
    }
  }
}

/** Values of one step by the name of the run that they belong to, then by tag. */
export type RunScalars = Readonly<Record<string, Readonly<Record<string, number | undefined>>>>;

/**
 * Event files side by side, a folder each. TensorBoard takes each folder for a run and draws equal tags of several runs
 * in one chart, e.g. `loss` of `train` and of `val`.
 */
export class EventRuns {
  private constructor(private readonly files: ReadonlyMap<string, EventFile>) {}

  /** Makes a new event file in the folder of each run; see EventFile.create. */
  static async create(folder: string, runs: readonly string[], firstStep: number): Promise<EventRuns> {
    const files = new Map<string, EventFile>();
    for (const run of runs) files.set(run, await EventFile.create(join(folder, run), firstStep));
    return new EventRuns(files);
  }

  /** One event a run; runs without a value get none. */
  async scalars(step: number, values: RunScalars): Promise<void> {
    for (const [run, tags] of Object.entries(values)) {
      if (Object.values(tags).every((value) => value === undefined)) continue;
      await this.files.get(run)!.scalars(step, tags);
    }
  }

  async close(): Promise<void> {
    for (const file of this.files.values()) await file.close();
  }
}

/** Length (uint64), its checksum, the data, its checksum: all little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

function event(now: number, step: number): BinaryWriter {
  const writer = new BinaryWriter().tag(EVENT.wallTime, WireType.Bit64).double(now / 1000);
  // Protocol buffers leave out what is zero.
  return step === 0 ? writer : writer.tag(EVENT.step, WireType.Varint).int64(step);
}

function versionEvent(now: number): Uint8Array {
  return event(now, 0).tag(EVENT.fileVersion, WireType.LengthDelimited).string('brain.Event:2').finish();
}

function startEvent(step: number, now: number): Uint8Array {
  const log = new BinaryWriter().tag(SESSION_STATUS, WireType.Varint).int32(SESSION_START).finish();
  return event(now, step).tag(EVENT.sessionLog, WireType.LengthDelimited).bytes(log).finish();
}

function scalarEvent(step: number, values: Record<string, number | undefined>, now: number): Uint8Array {
  const summary = new BinaryWriter();
  for (const [tag, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const scalar = new BinaryWriter().tag(VALUE.tag, WireType.LengthDelimited).string(tag);
    scalar.tag(VALUE.simpleValue, WireType.Bit32).float(value);
    summary.tag(SUMMARY_VALUE, WireType.LengthDelimited).bytes(scalar.finish());
  }
  return event(now, step).tag(EVENT.summary, WireType.LengthDelimited).bytes(summary.finish()).finish();
}
