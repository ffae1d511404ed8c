/** Models on the hub: what runs in Node and in browsers alike. */
export { chooseWeights } from './chooseWeights.js';
export { type FolderFiles, MAX_TEXT_BYTES } from './folderFiles.js';
export type { HubFolder, HubOptions, HubProgress } from './hubFolder.js';
export { type HubName, isHubName, parseHubName } from './hubName.js';
