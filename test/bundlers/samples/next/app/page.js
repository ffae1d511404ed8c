'use client';
/** A client component: it is prerendered in Node, where the browser's entry does nothing. */
import { load, loadInWorker } from 'deit-tfjs/browser';
import { useEffect } from 'react';

async function run(url, image, options) {
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
}

export default function Page() {
  useEffect(() => {
    window.run = run;
  }, []);
  return <p>A page that classifies</p>;
}
