/** What is shown, to take along: the image with its colours, the answer as a table, and the code that does the same. */
import { byId, make, save } from './dom.js';
import { announce, showError } from './messages.js';
import { nameOf } from './predictions.js';
import { softmax, topIndices } from './softmax.js';
import { state, watch } from './state.js';

const buttons = ['copy-image', 'save-image', 'copy-table', 'save-table', 'show-code'].map((id) =>
  byId<HTMLButtonElement>(id),
);

watch(['shown'], () => {
  for (const button of buttons) button.disabled = !state.shown?.seen;
});

/** The canvas as it looks, as a PNG. */
async function stageImage(): Promise<Blob> {
  const layers = ['image', 'erased', 'heat'].map((id) => byId<HTMLCanvasElement>(id));
  const [image] = layers;
  const canvas = make('canvas', { width: String(image!.width), height: String(image!.height) });
  const context = canvas.getContext('2d')!;
  for (const layer of layers) {
    if (layer.hidden) continue;
    context.globalAlpha = layer.id === 'heat' ? state.strength : 1;
    context.imageSmoothingEnabled = layer.id === 'heat' && !layer.classList.contains('pixels');
    context.drawImage(layer, 0, 0, canvas.width, canvas.height);
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG'))),
      'image/png',
    ),
  );
}

/** All classes with probability and logit, most probable first; without a head the features. */
function answerTable(separator: string): string {
  const { logits } = state.shown!.seen!;
  const { numClasses } = state.shown!.session!.model.config;
  const line = (cells: (string | number)[]) => cells.join(separator);
  if (numClasses === 0)
    return [line(['place', 'value']), ...Array.from(logits, (value, i) => line([i, value]))].join('\n');
  const shares = softmax(logits);
  const quote = (name: string) => (separator === ',' ? `"${name.replaceAll('"', '""')}"` : name);
  const rows = topIndices(shares, shares.length).map((i) =>
    line([i, quote(nameOf(i)), shares[i]!, logits[i]!]),
  );
  return [line(['index', 'label', 'probability', 'logit']), ...rows].join('\n');
}

function fileName(ending: string): string {
  const name = state.shown!.name.replace(/\.\w+$/, '').replace(/[^\w.-]+/g, '-');
  return `${name}-${state.overlay}${ending}`;
}

/** Runs what needs the clipboard, which a page may be denied. */
async function copy(what: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
    announce(`${what} copied`);
    byId('share-state').textContent = `${what} copied.`;
  } catch (error) {
    showError(`${what} cannot be copied`, error, { subject: 'copy' });
  }
}

byId('copy-image').addEventListener('click', () =>
  copy('Image', () => navigator.clipboard.write([new ClipboardItem({ 'image/png': stageImage() })])),
);
byId('save-image').addEventListener('click', async () =>
  save(fileName('.png'), await stageImage(), 'image/png'),
);
byId('copy-table').addEventListener('click', () =>
  copy('Table', () => navigator.clipboard.writeText(answerTable('\t'))),
);
byId('save-table').addEventListener('click', () =>
  save(fileName('.csv'), `${answerTable(',')}\n`, 'text/csv'),
);

const dialog = byId<HTMLDialogElement>('code');
byId('show-code').addEventListener('click', () => {
  byId('code-text').textContent = snippet();
  dialog.showModal();
});
byId('copy-code').addEventListener('click', () =>
  copy('Code', () => navigator.clipboard.writeText(byId('code-text').textContent!)),
);
byId('close-code').addEventListener('click', () => dialog.close());

/** Code for Node that gives what is shown. */
function snippet(): string {
  const { shown, overlay, layer, head, token, fusion, discardRatio, patch } = state;
  const { session, name } = shown!;
  const { data, title } = session!.source;
  const source = typeof data === 'string' ? data : title;
  const of = typeof token === 'number' ? token : `'${token}'`;
  const maps: Record<typeof overlay, string> = {
    attention: `deit.attentionMap(attention, { layer: ${layer}, head: ${head === 'mean' ? "'mean'" : head}, token: ${of} })`,
    rollout: `deit.rollout(attention, { token: ${of}, fusion: '${fusion}', discardRatio: ${discardRatio} })`,
    relevance: `await deit.relevance(model, x, { classIndex: ${state.classIndex ?? 'undefined'} })`,
    similarity: `deit.patchSimilarity(patches, attention.grid, ${patch})`,
    colors: 'deit.patchColors(patches, attention.grid)',
    none: 'undefined',
  };
  return `import * as deit from 'deit-tfjs/node';

const model = await deit.load(${JSON.stringify(source)});
const image = await deit.decodeImage(${JSON.stringify(name)});
console.log(await model.classify(image));

const pixels = deit.preprocess(image, model.preprocessing);
const x = deit.tf.tensor4d(pixels, [1, ...model.config.imgSize, 3]);
const { attention, patches } = await deit.inspect(model, x);
const map = ${maps[overlay]};
console.log(map);
`;
}
