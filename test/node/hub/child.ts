/** Opens a file of a model on the hub in a process of its own: node child.js NAME PATH. Prints the file's SHA-256. */
import { createHash } from 'node:crypto';
import { openHub } from '../../../src/node/hub/openHub.js';

const [name = '', path = ''] = process.argv.slice(2);
const folder = await openHub(name, {
  onProgress: ({ loadedBytes }) => process.stderr.write(`${loadedBytes}\n`),
  onNotice: (line) => process.stderr.write(`${line}\n`),
});
const source = await folder.open(path);
const bytes = await source.read(0, source.size);
console.log(createHash('sha256').update(bytes).digest('hex'));
await folder.close();
