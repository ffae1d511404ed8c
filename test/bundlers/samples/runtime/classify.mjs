/** What Node, Bun and Deno run: MODEL PICTURE → the class, and what the backend is. */
import * as deit from 'deit-tfjs';

const [, , url, picture] = process.argv;
const model = await deit.load(url, {
  onBackend: ({ description }) => console.log(description),
  backend: 'wasm',
});
const [{ index }] = await model.classify(picture, { topK: 1 });
console.log(index);
model.dispose();
