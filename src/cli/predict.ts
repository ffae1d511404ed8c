import { DeviceLost } from '../deviceLost.js';
import { UserError } from '../errors.js';
import type { Prediction } from '../models/classify.js';
import type { ImageClassifier } from '../models/imageClassifier.js';
import { loadClassifier } from '../node/loadClassifier.js';
import { oneLine, shorten } from '../text.js';
import { sayAssumptions } from './assumptions.js';
import { defineCommand } from './command.js';
import { CONVERSION_NUMBERS, checkpointOptions, loadArgs } from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import { backendOption, gpuOptions, jsonOption, modelPositional, quantizeOption } from './options.js';
import { print, printJson, say } from './print.js';
import { readImage, STDIN } from './readImage.js';
import { formatTable } from './table.js';
import { checkNumbers, UsageError } from './usage.js';

/** What `deit predict --json` prints of an image. */
type Answer = { file: string; topK: Prediction[] } | { file: string; error: string };

/** `deit predict`: the most probable classes of some images. */
export const predictCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', modelPositional)
      .positional('images', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'image files; - is stdin',
      })
      .option('top-k', { type: 'number', default: 5, describe: 'how many classes to name' })
      .options(backendOption)
      .options(gpuOptions)
      .options(quantizeOption)
      .options(checkpointOptions)
      .options(jsonOption('print one JSON array'))
      .check((args) => checkNumbers(args, { 'top-k': 1, ...CONVERSION_NUMBERS }))
      .check(({ images }) => {
        if (images.length === 0) throw new UsageError('say which images: predict MODEL IMAGE...');
        if (images.filter((file: string) => file === STDIN).length <= 1) return true;
        throw new UsageError('- stands for stdin, which holds one image; give it once');
      }),
  examples: [
    ['$0 deit-tiny/ cat.jpg dog.jpg', 'the five most probable classes of each'],
    ['curl -s https://example.com/cat.jpg | $0 deit-tiny/ - --json', 'an image from stdin'],
  ],
  handler: async (args) => {
    const { backend, device, dtype, quantize } = args;
    const model = await loadClassifier(args.model, {
      hub: hubMessages(),
      backend,
      device,
      dtype,
      quantize,
      ...loadArgs(args),
    });
    sayAssumptions(model);
    const answers: Answer[] = [];
    try {
      for (const file of args.images) {
        const answer = await answerFor(model, file, args.topK);
        answers.push(answer);
        if (!args.json) show(answer, args.images.length > 1);
      }
    } finally {
      model.dispose();
    }
    if (args.json) printJson(answers);
    const errors = answers.flatMap((answer) => ('error' in answer ? [answer.error] : []));
    if (errors.length === 0) return;
    throw new UserError(
      answers.length === 1 ? errors[0]! : `${errors.length} of ${answers.length} images were not classified`,
    );
  },
});

/** One image's classes; an image that cannot be read or classified does not end the others, a GPU that is gone does. */
async function answerFor(model: ImageClassifier, file: string, topK: number): Promise<Answer> {
  try {
    const classes = await model.classify(await readImage(file), { topK });
    const wrong = classes.find(({ logit, probability }) => !Number.isFinite(logit + probability));
    if (wrong) {
      throw new UserError(
        `${file}: the model's logit for class ${wrong.index} is ${wrong.logit}; the model is damaged, or its values overflow: convert it again`,
      );
    }
    return { file, topK: classes };
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof DeviceLost) throw error;
    const { message } = error;
    const named = [oneLine(file), shorten(file)].some((name) => message.startsWith(name));
    return { file, error: named ? message : `${file}: ${message}` };
  }
}

function show(answer: Answer, several: boolean): void {
  if ('error' in answer) {
    // Of a single image the program's last line tells.
    if (several) say(`not classified: ${answer.error}`, 'warning');
    return;
  }
  const rows = answer.topK.map(({ label, index, probability, logit }) => [
    `${(100 * probability).toFixed(2)} %`,
    label,
    String(index),
    logit.toFixed(3),
  ]);
  print(oneLine(answer.file), 'strong');
  print(`${formatTable(['probability', 'class', 'index', 'logit'], rows)}\n`);
}
