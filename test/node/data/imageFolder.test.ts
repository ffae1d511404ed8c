import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { imagenetLabels } from '../../../configs/imagenet.js';
import type { Classes } from '../../../src/evaluate/index.js';
import { type ImageFolder, openImageFolder } from '../../../src/node/data/imageFolder.js';

const root = mkdtempSync(join(tmpdir(), 'deit-val-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

const imagesOf = ({ files, labels }: ImageFolder) => files.map((file, i) => ({ file, label: labels[i] }));

/** A new folder with these files; what ends in / is a folder. Listing does not read images: they are empty. */
function folder(...files: string[]): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  for (const file of files) {
    if (file.endsWith('/')) mkdirSync(join(path, file), { recursive: true });
    else {
      mkdirSync(join(path, file, '..'), { recursive: true });
      writeFileSync(join(path, file), '');
    }
  }
  return path;
}

const pets = { numClasses: 3, labels: ['cat', 'dog', 'Zebra'] };
const imagenet = { numClasses: 1000, labels: imagenetLabels };

describe('images that ImageFolder passes over', () => {
  test('are said, and are none of the images', async () => {
    const path = folder(
      'cat/a.png',
      'cat/deep/b.GIF',
      'dog/c.avif',
      'dog/d.jpg',
      'dog/.e.gif',
      'dog/notes.txt',
    );
    const { files, notes } = await openImageFolder(path, pets);
    expect(files).toEqual(['cat/a.png', 'dog/d.jpg']);
    expect(notes).toEqual([
      expect.stringMatching(/^left out: .*cat.deep.b\.GIF and 1 more, which ImageFolder passes over as well/),
    ]);
  });

  test('of a labels file too', async () => {
    const path = folder('a.png', 'b.gif');
    const labelsFile = join(folder(), 'labels.txt');
    writeFileSync(labelsFile, 'a.png cat\n');
    const { notes } = await openImageFolder(path, pets, { labelsFile });
    expect(notes).toEqual([expect.stringMatching(/^left out: .*b\.gif, which ImageFolder passes over/)]);
  });
});

describe('class folders', () => {
  test('are listed without what systems and archives leave beside and in them', async () => {
    const path = folder(
      'cat/b.JPEG',
      'cat/deep/a.Png',
      'cat/._b.JPEG',
      'cat/.hidden.png',
      'cat/Thumbs.db',
      'cat/.DS_Store',
      'cat/folder.png/',
      'dog/c.bmp',
      'dog/d.ppm',
      'dog/__MACOSX/._c.bmp',
      '__MACOSX/cat/._b.JPEG',
      '.cache/x.png',
      'notes/readme.md',
      'README.txt',
      'stray.jpg',
    );
    symlinkSync(join(path, 'README.txt'), join(path, 'link-to-file'));
    symlinkSync('/nowhere/at/all', join(path, 'broken'));
    symlinkSync(join(path, 'dog'), join(path, 'Zebra'));
    symlinkSync('/nowhere.png', join(path, 'cat', 'z.png'));
    const val = await openImageFolder(path, pets);
    const { matched, notes } = val;
    expect(imagesOf(val)).toEqual([
      { file: 'Zebra/c.bmp', label: 2 },
      { file: 'Zebra/d.ppm', label: 2 },
      { file: 'cat/b.JPEG', label: 0 },
      { file: 'cat/deep/a.Png', label: 0 },
      // Reading it names it.
      { file: 'cat/z.png', label: 0 },
      { file: 'dog/c.bmp', label: 1 },
      { file: 'dog/d.ppm', label: 1 },
    ]);
    expect(matched).toBe('3 class folders matched by labels');
    expect(notes).toEqual([
      `left out: ${join(path, 'broken')}, a link that leads nowhere`,
      `left out: ${join(path, 'notes')}, a folder without images whose name is no class`,
      `left out: ${join(path, 'stray.jpg')}, beside the class folders`,
    ]);
  });

  test('named 0…11 are class indices, not places in the order of text', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `${i}/a.png`);
    const val = await openImageFolder(folder(...names), imagenet);
    expect(imagesOf(val).every(({ file, label }) => file === `${label}/a.png`)).toBe(true);
  });

  test('that cannot be matched are refused; by order they are what ImageFolder makes of them', async () => {
    const path = folder('kitten/a.png', 'puppy/a.png', 'zebra/a.png');
    await expect(openImageFolder(path, pets)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(/^.*\d: the class folders "kitten", "puppy", "zebra" are not one of/),
    });
    const { labels, matched } = await openImageFolder(path, pets, { byOrder: true });
    expect([...labels]).toEqual([0, 1, 2]);
    expect(matched).toMatch(/matched by order/);
  });

  test('a link to a folder around it is named, not followed for ever', async () => {
    const path = folder('cat/a.png');
    symlinkSync(join(path, 'cat'), join(path, 'cat', 'again'));
    await expect(openImageFolder(path, pets)).rejects.toThrow(
      /cat\/again: a link to a folder that it lies in/,
    );
  });
});

describe('images in one folder with a labels file', () => {
  const flat = folder('b.jpg', 'a.jpg', 'my cat.png', 'sub/c.jpg');

  async function labelled(text: string, model: Classes = pets, path = flat) {
    const labelsFile = join(root, 'labels.txt');
    writeFileSync(labelsFile, text);
    const val = await openImageFolder(path, model, { labelsFile });
    return {
      labels: Object.fromEntries(imagesOf(val).map(({ file, label }) => [file, label])),
      notes: val.notes,
    };
  }

  test.each([
    ['spaces', 'a.jpg cat\nb.jpg 1\nmy cat.png Zebra\n'],
    [
      'csv with a header and quotes',
      '\ufefffilename,label\r\na.jpg,cat\r\n"b.jpg","dog"\r\nmy cat.png,2\r\n',
    ],
    ['tabs', './a.jpg\tcat\n\nb.jpg\tdog\nmy cat.png\tZebra'],
    ['names without ending', 'a cat\nb 1\nmy cat 2\n'],
  ])('FILE CLASS with %s', async (_, text) => {
    const { labels, notes } = await labelled(text);
    expect(labels).toEqual({ 'a.jpg': 0, 'b.jpg': 1, 'my cat.png': 2 });
    expect(notes).toEqual([expect.stringMatching(/sub\/c\.jpg, which .*labels\.txt does not name/)]);
  });

  test('Kaggle’s LOC_val_solution.csv', async () => {
    const path = folder('ILSVRC2012_val_00000001.JPEG', 'ILSVRC2012_val_00048981.JPEG');
    const text = [
      'ImageId,PredictionString',
      'ILSVRC2012_val_00048981,n03995372 85 1 499 272 ',
      'ILSVRC2012_val_00000001,n01440764 1 2 3 4 n01440764 5 6 7 8 ',
    ];
    const { labels } = await labelled(text.join('\n'), imagenet, path);
    expect(labels).toEqual({ 'ILSVRC2012_val_00000001.JPEG': 0, 'ILSVRC2012_val_00048981.JPEG': 740 });
    await expect(
      labelled(`${text[0]}\nx,n01440764 1 2 3 4 n01443537 5 6 7 8`, imagenet, path),
    ).rejects.toThrow(/labels\.txt:2: expected ImageId,PredictionString with boxes of one class/);
  });

  test('a class a line, in the order of the images', async () => {
    expect((await labelled('n01440764\nn01443537\nn01484850\nn01491361', imagenet)).labels).toEqual({
      'a.jpg': 0,
      'b.jpg': 1,
      'my cat.png': 2,
      'sub/c.jpg': 3,
    });
    expect((await labelled('999\n0\n1\n2', imagenet)).labels).toMatchObject({ 'a.jpg': 999, 'sub/c.jpg': 2 });
    await expect(labelled('0\n1\n2', imagenet)).rejects.toThrow(/has 3 classes, one a line, for 4 images/);
  });

  test.each([
    ['ILSVRC2012_validation_ground_truth.txt', '490\n361\n171\n822', /can be ILSVRC's ids .* from 1/],
    ['numbers beyond the classes', '0\n1\n1000\n2', /can be ILSVRC's ids/],
    [
      'an unknown class',
      'a.jpg 0\nb.jpg n00000000',
      /labels\.txt:2: expected "FILE CLASS".*found "b\.jpg n00000000"/,
    ],
    ['the same file twice', 'a.jpg 0\na.jpg 1', /labels\.txt:2: a\.jpg is there twice, in line 1 too/],
    ['a third column', 'a.jpg,0,train', /labels\.txt:1: expected/],
    ['nothing', '\n\n', /is empty/],
  ])('is refused with %s', async (_, text, message) => {
    await expect(labelled(text, imagenet)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(message),
    });
  });
});
