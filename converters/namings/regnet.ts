/** How one code base names the modules of a RegNet. Pairs are a convolution and its batch norm, within a block. */
export interface RegnetNaming {
  readonly name: 'timm' | 'torchvision';
  readonly stem: readonly [string, string];
  /** Stages and blocks count from 1. */
  readonly block: (stage: number, block: number) => string;
  readonly conv1: readonly [string, string];
  readonly conv2: readonly [string, string];
  readonly conv3: readonly [string, string];
  readonly downsample: readonly [string, string];
  readonly squeeze: string;
  readonly excite: string;
  readonly head: string;
}

export const regnetNamings: readonly RegnetNaming[] = [
  {
    name: 'timm', // and facebookresearch/deit's regnety_160-a5fe301d.pth
    stem: ['stem.conv', 'stem.bn'],
    block: (stage, block) => `s${stage}.b${block}`,
    conv1: ['conv1.conv', 'conv1.bn'],
    conv2: ['conv2.conv', 'conv2.bn'],
    conv3: ['conv3.conv', 'conv3.bn'],
    downsample: ['downsample.conv', 'downsample.bn'],
    squeeze: 'se.fc1',
    excite: 'se.fc2',
    head: 'head.fc',
  },
  {
    name: 'torchvision',
    stem: ['stem.0', 'stem.1'],
    block: (stage, block) => `trunk_output.block${stage}.block${stage}-${block - 1}`,
    conv1: ['f.a.0', 'f.a.1'],
    conv2: ['f.b.0', 'f.b.1'],
    conv3: ['f.c.0', 'f.c.1'],
    downsample: ['proj.0', 'proj.1'],
    squeeze: 'f.se.fc1',
    excite: 'f.se.fc2',
    head: 'fc',
  },
];
