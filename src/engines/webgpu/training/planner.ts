/** Plans for as many images as the device has memory for. */
import { UserError } from '../../../errors.js';
import { equalPart } from '../../wasm/training/batches.js';
import type { Recording } from '../../wasm/training/record.js';
import type { BufferName } from '../../wasm/training/weightSpace.js';
import type { Pipelines } from '../pipelines.js';
import type { Guard } from '../transfer.js';
import type { KernelStep } from './kernel.js';
import { allocate, type Layout, layoutBytes, makePlan, type Plan } from './plan.js';

/** A recording's kernels and where their operands lie. */
export interface Drawn {
  readonly recording: Recording;
  readonly programs: readonly (readonly KernelStep[])[];
  readonly layout: Layout;
}

export type Planned = Drawn & { readonly plan: Plan };

/** What plans are made of. */
export interface PlannerOptions {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
  readonly buffers: Readonly<Partial<Record<BufferName, GPUBuffer>>>;
  /** Bytes that a plan takes at most, if one of several images. */
  readonly keptBytes: number;
  readonly guard: Guard;
}

/** One of the passes that there are plans for. */
export interface Kind {
  readonly name: string;
  readonly draw: (batch: number) => Drawn;
  /** Drawn for one image. */
  readonly one: Drawn;
  /** Images at once, at most. */
  readonly most: number;
}

export function kindOf(name: string, draw: Kind['draw'], most: number): Kind {
  return { name, draw, one: draw(1), most };
}

/** Plans that are kept: of one more, the least recently used goes. */
const PLANS = 4;

/** Bytes of the largest operand that a device has a buffer for and binds. */
export function mostBound({ limits }: GPUDevice): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

export function isBound({ layout: { sizes } }: Drawn, device: GPUDevice): boolean {
  return sizes.every((size) => size <= mostBound(device));
}

export class Planner {
  /** By kind and number of images; the least recently used first. */
  private readonly plans = new Map<string, Planned>();
  /** Images of a kind that go through at once. */
  private readonly largest = new Map<Kind, number>();

  constructor(private readonly options: PlannerOptions) {}

  /** The largest number of images, from this one down, that there is memory for; and their plan. */
  async plan(kind: Kind, batch: number): Promise<{ count: number; planned: Planned }> {
    for (;;) {
      const count = equalPart(batch, this.largestOf(kind));
      const planned = this.known(kind, count) ?? (await this.make(kind, count));
      if (planned) return { count, planned };
      if (count === 1) {
        const megabytes = Math.ceil(layoutBytes(kind.one.layout) / 1e6);
        throw new UserError(
          `the GPU has not the ${megabytes} MB that an image takes beside the weights: close what else uses its memory, or take a smaller model`,
        );
      }
      this.largest.set(kind, Math.ceil(count / 2));
    }
  }

  destroy(): void {
    for (const key of this.plans.keys()) this.drop(key);
  }

  private largestOf(kind: Kind): number {
    let largest = this.largest.get(kind);
    if (largest === undefined) {
      const fitting = Math.floor(this.options.keptBytes / layoutBytes(kind.one.layout));
      largest = Math.max(1, Math.min(kind.most, fitting));
      this.largest.set(kind, largest);
    }
    return largest;
  }

  private known(kind: Kind, count: number): Planned | undefined {
    const key = `${kind.name} ${count}`;
    const planned = this.plans.get(key);
    if (!planned) return undefined;
    this.plans.delete(key);
    this.plans.set(key, planned);
    return planned;
  }

  private async make(kind: Kind, count: number): Promise<Planned | undefined> {
    const { device, pipelines, buffers } = this.options;
    const drawn = count === 1 ? kind.one : kind.draw(count);
    if (!isBound(drawn, device)) return undefined;
    // Not by the guard: on a busy machine compilation takes longer than any result may.
    await pipelines.compile(drawn.programs.flat().map(({ code }) => code));
    if (this.plans.size >= PLANS) this.drop(this.plans.keys().next().value!);
    const taken = await this.memoryFor(drawn.layout);
    if (!taken) return undefined;
    const plan = makePlan(device, drawn.programs, drawn.layout, taken, buffers, pipelines);
    const planned = { ...drawn, plan };
    this.plans.set(`${kind.name} ${count}`, planned);
    return planned;
  }

  /** Buffers of a layout; where there is no room for them, what other plans have goes first. */
  private async memoryFor(layout: Layout): Promise<GPUBuffer[] | undefined> {
    const { device, guard } = this.options;
    for (;;) {
      const taken = await guard(allocate(device, layout));
      const oldest = this.plans.keys().next().value;
      if (taken || oldest === undefined) return taken;
      this.drop(oldest);
      // Memory is free once what used it has ended.
      await guard(device.queue.onSubmittedWorkDone());
    }
  }

  private drop(key: string): void {
    this.plans.get(key)!.plan.destroy();
    this.plans.delete(key);
  }
}
