/** The same page for every bundler: `run` classifies an image in the page and in a worker. */
import { load, loadInWorker } from 'deit-tfjs';

window.run = async (url, image, options) => {
  const blob = await (await fetch(image)).blob();
  const found = [];
  for (const open of [load, loadInWorker]) {
    try {
      const model = await open(url, { backend: 'wasm', cache: false, ...options });
      const [{ index }] = await model.classify(blob, { topK: 1 });
      model.dispose();
      found.push(index);
    } catch (error) {
      found.push(`${error.name}: ${error.message}`);
    }
  }
  return found;
};
