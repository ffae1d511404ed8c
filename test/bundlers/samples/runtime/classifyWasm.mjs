/** The image's class by deit-tfjs/wasm, with nothing of a browser or of Node. */
import { readFile } from 'node:fs/promises';
import { load } from 'deit-tfjs/wasm';

const [checkpoint, image] = process.argv.slice(2);
const onBackend = ({ description }) => console.log(description);
const model = await load(new Blob([await readFile(checkpoint)]), { onBackend });
const [{ index }] = await model.classify(new Blob([await readFile(image)]), { topK: 1 });
console.log(index);
model.dispose();
