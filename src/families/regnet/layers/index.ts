export { RegnetBlock, type RegnetBlockArgs } from './block.js';
export { PooledHead, type PooledHeadArgs } from './pooledHead.js';
export { RegnetStem, type RegnetStemArgs } from './stem.js';
