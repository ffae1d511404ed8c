/** Numbers to a device and back, by buffers that are kept. */
import { USAGE } from './plan.js';

/** Buffers that numbers are written to, which are kept. */
const STAGED = 4;

/** Throws, or gives a promise that rejects, once the device is lost. */
export type Guard = <T>(promise: Promise<T>) => Promise<T>;

export class Transfer {
  private readonly readers: GPUBuffer[] = [];
  /** Mapped, to be written. */
  private readonly staged: GPUBuffer[] = [];
  private disposed = false;

  constructor(
    private readonly device: GPUDevice,
    private readonly guard: Guard = (promise) => promise,
  ) {}

  /** Numbers in a buffer to copy from; queue.writeBuffer takes several times as long for large ones. */
  stage(values: Float32Array): GPUBuffer {
    const size = values.byteLength;
    const index = this.staged.findIndex((buffer) => buffer.size === size);
    const usage = USAGE.mapWrite | USAGE.copySrc;
    const staging =
      index >= 0
        ? this.staged.splice(index, 1)[0]!
        : this.device.createBuffer({ size, usage, mappedAtCreation: true });
    new Float32Array(staging.getMappedRange()).set(values);
    staging.unmap();
    return staging;
  }

  /** Keeps a buffer of `stage` for the next numbers as many, once the device has read it. */
  unstage(staging: GPUBuffer): void {
    const keep = () => {
      if (this.disposed) return staging.destroy();
      this.staged.unshift(staging);
      for (const oldest of this.staged.splice(STAGED)) oldest.destroy();
    };
    // A device that is lost is reported by what waits for the result.
    staging.mapAsync(USAGE.mapWrite).then(keep, () => staging.destroy());
  }

  /** A buffer to read by; `read` gives it back. */
  reader(bytes: number): GPUBuffer {
    const index = this.readers.findIndex(({ size }) => size === bytes);
    if (index >= 0) return this.readers.splice(index, 1)[0]!;
    return this.device.createBuffer({ size: bytes, usage: USAGE.mapRead | USAGE.copyDst });
  }

  async read(reader: GPUBuffer): Promise<Float32Array<ArrayBuffer>> {
    await this.guard(reader.mapAsync(USAGE.mapRead));
    const values = new Float32Array(reader.getMappedRange().slice(0));
    if (this.disposed) reader.destroy();
    else {
      reader.unmap();
      this.readers.push(reader);
    }
    return values;
  }

  dispose(): void {
    for (const buffer of [...this.readers, ...this.staged]) buffer.destroy();
    this.readers.length = 0;
    this.staged.length = 0;
    this.disposed = true;
  }
}
