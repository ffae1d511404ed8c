/** One block, `s2.b1`: how it differs from the others. */
export interface RegnetBlockConfig {
  readonly name: string;
  readonly inputWidth: number;
  readonly width: number;
  readonly groupWidth: number;
  readonly squeeze: number | null;
  readonly stride: 1 | 2;
}

/** A weight of a block: its name in tfjs and its shape there. */
interface BlockWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Whether a block's shortcut is a convolution. */
export function hasDownsample({ stride, inputWidth, width }: RegnetBlockConfig): boolean {
  return stride !== 1 || inputWidth !== width;
}

/** The weights of a block under its name, in tfjs' layout: batch norm lies in kernels and biases. */
export function regnetBlockWeights(block: RegnetBlockConfig): BlockWeight[] {
  const { name, inputWidth, width, groupWidth, squeeze } = block;
  const matrix = (part: string, from: number, to: number): BlockWeight[] => [
    { name: `${name}.${part}.kernel`, shape: [from, to] },
    { name: `${name}.${part}.bias`, shape: [to] },
  ];
  const groups = Array.from({ length: width / groupWidth }, (_, group) => ({
    name: `${name}.conv2.kernel${group}`,
    shape: [3, 3, groupWidth, groupWidth],
  }));
  return [
    ...matrix('conv1', inputWidth, width),
    ...groups,
    { name: `${name}.conv2.bias`, shape: [width] },
    ...(squeeze === null ? [] : [...matrix('se.fc1', width, squeeze), ...matrix('se.fc2', squeeze, width)]),
    ...matrix('conv3', width, width),
    ...(hasDownsample(block) ? matrix('downsample', inputWidth, width) : []),
  ];
}
