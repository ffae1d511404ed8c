/** What Node, Bun and Deno run: MODEL IMAGE → the class, and what the backend is. */
import * as deit from 'deit-tfjs';

const [, , url, image] = process.argv;
const model = await deit.load(url, {
  onBackend: ({ description }) => console.log(description),
  backend: 'wasm',
});
const [{ index }] = await model.classify(image, { topK: 1 });
console.log(index);
model.dispose();
