/** The exports of the training module: the program's, and what the choice between builds asks of a module. */
export { attendGradientScratchBytes, attendScratchBytes } from './attention';
export { chunkRows, normScratchBytes } from './norm';
export { productOwnBytes, productScratchBytes } from './product';
export { execute } from './program';
export { timeTiles, tileColumns, tileRows } from '../../assembly/index';
