/** The page for deit-tfjs/wasm, which needs no file beside the script. */
import { load } from 'deit-tfjs/wasm';

globalThis.run = async (url, image) => {
  const blob = await (await fetch(image)).blob();
  try {
    const model = await load(url, { cache: false });
    const [{ index }] = await model.classify(blob, { topK: 1 });
    model.dispose();
    return [index];
  } catch (error) {
    return [`${error.name}: ${error.message}`];
  }
};
