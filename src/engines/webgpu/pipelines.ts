/** Compiled shaders of a device by their code; engines of one device share them. */
const pipelinesOf = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

export class Pipelines {
  private readonly known: Map<string, GPUComputePipeline>;

  constructor(private readonly device: GPUDevice) {
    this.known = pipelinesOf.get(device) ?? new Map();
    pipelinesOf.set(device, this.known);
  }

  /** Compiles what the device has not yet, all at once, while the event loop goes on. */
  async compile(codes: Iterable<string>): Promise<void> {
    const missing = [...new Set(codes)].filter((code) => !this.known.has(code));
    const compiling = missing.map(async (code) => {
      this.known.set(code, await this.device.createComputePipelineAsync(this.descriptor(code)));
    });
    await Promise.all(compiling);
  }

  /** A pipeline; one that is not compiled yet is, while the caller waits. */
  get(code: string): GPUComputePipeline {
    const pipeline = this.known.get(code) ?? this.device.createComputePipeline(this.descriptor(code));
    this.known.set(code, pipeline);
    return pipeline;
  }

  private descriptor(code: string): GPUComputePipelineDescriptor {
    return { layout: 'auto', compute: { module: this.device.createShaderModule({ code }) } };
  }
}
