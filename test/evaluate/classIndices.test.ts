import { describe, expect, test } from '@jest/globals';
import { imagenetLabels, imagenetSynsets } from '../../configs/imagenet.js';
import { classIndexReader, matchClasses } from '../../src/evaluate/index.js';

const imagenet = { numClasses: 1000, labels: imagenetLabels };
const animals = { numClasses: 3, labels: ['cat', 'dog', 'Käfer'] };
const unlabelled = { numClasses: 1000 };

describe('class folders', () => {
  test('0…999 are class indices, in any order, with zeros before them, and some of them too', () => {
    const folders = Array.from({ length: 1000 }, (_, i) => String(i)).sort();
    for (const classes of [imagenet, unlabelled]) {
      expect(matchClasses(folders, classes)).toEqual({ indices: folders.map(Number), by: 'numbers' });
    }
    expect(matchClasses(['00', '07', '010'], imagenet).indices).toEqual([0, 7, 10]);
    expect(matchClasses(['2', '0'], animals).indices).toEqual([2, 0]);
  });

  test('are synsets of ImageNet only where the labels are ImageNet’s', () => {
    const folders = [imagenetSynsets[999]!, imagenetSynsets[3]!];
    expect(matchClasses(folders, imagenet)).toEqual({ indices: [999, 3], by: 'synsets' });
    expect(() => matchClasses(folders, unlabelled)).toThrow(/"n15075141", "n01491361" cannot be matched/);
    const own = { numClasses: 1000, labels: Array.from({ length: 1000 }, (_, i) => `class ${i}`) };
    expect(() => matchClasses(folders, own)).toThrow(
      /"n15075141", "n01491361" are not one of the model's labels/,
    );
    const led = { numClasses: 2, labels: ['n15075141 toilet tissue', 'n01491361 tiger shark'] };
    expect(matchClasses(folders.toReversed(), led)).toEqual({ indices: [1, 0], by: 'synsets' });
  });

  test('are labels, in either spelling of an accent, and fewer than the classes', () => {
    expect(matchClasses(['Käfer'.normalize('NFD'), 'cat'], animals)).toEqual({
      indices: [2, 0],
      by: 'labels',
    });
    expect(matchClasses(['tench, Tinca tinca'], imagenet)).toEqual({ indices: [0], by: 'labels' });
  });

  test('are the labels’ own numbers where labels are numbers', () => {
    // As a training run on folders 0…10 counts them: sorted as text.
    const labels = ['0', '1', '10', '2', '3', '4', '5', '6', '7', '8', '9'];
    expect(matchClasses(['10', '2', '003'], { numClasses: 11, labels })).toEqual({
      indices: [2, 3, 4],
      by: 'labels',
    });
    expect(() => matchClasses(['11'], { numClasses: 11, labels })).toThrow(
      /"11" is not one of the model's labels/,
    );
  });

  test.each([
    [['cat', 'dgo'], animals, /the class folder "dgo" is not one of the model's labels \(near: "dog"\)/],
    [['cat', 'a', 'b', 'c', 'd'], animals, /folders "a", "b", "c" and 1 more are not/],
    [['Cat', 'dog'], animals, /"Cat" is not .*near: "cat"/],
    [['n01440764', 'n99999999'], imagenet, /"n99999999" is not one of ImageNet-1k's synsets/],
    [['1', '2', '3'], animals, /"3" is not a class index from 0 to 2; .* seem to count from 1/],
    [['1', '-1'], animals, /are not one of the model's labels/],
    [['crane'], imagenet, /"crane" is not one of the model's labels.*several classes have that name/],
    [
      ['cat', 'dog'],
      { numClasses: 2 },
      /cannot be matched to classes; the model has no labels: convert it with --labels/,
    ],
    [['__proto__', 'toString'], animals, /are not one of the model's labels/],
  ])('%j are refused', (folders, classes, message) => {
    expect(() => matchClasses(folders, classes)).toThrow(message);
    expect(() => matchClasses(folders, classes)).toThrow(/--classes-by-order$/);
  });

  test('that mean the same class are named', () => {
    expect(() => matchClasses(['1', '01'], animals)).toThrow(/"1" and "01" both mean class 1/);
  });

  test('are taken by order where that is said, and there is one for each class', () => {
    const folders = ['😀', '\ufffd', 'b'];
    expect(matchClasses(folders, animals, { byOrder: true })).toEqual({ indices: [2, 1, 0], by: 'order' });
    expect(() => matchClasses(['a'], animals, { byOrder: true })).toThrow(
      /there are 1 class folders, the model has 3 classes/,
    );
  });
});

test('an entry of a labels file is a label, a synset or a class index', () => {
  const classOf = classIndexReader(imagenet);
  expect(['n01440764', '1', 'stingray', 'crane', '1000', '-1', 'n00000000'].map(classOf)).toEqual([
    0,
    1,
    6,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(classIndexReader(unlabelled)('n01440764')).toBeUndefined();
});
