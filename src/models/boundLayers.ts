import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { type BoundBackend, onBackend } from '../boundBackend.js';

/** Makes the handler that saves a tf.LayersModel under a `file://` address. */
export type FileSaver = (url: string) => tf.io.IOHandler;

let fileSaver: FileSaver | undefined;

/** Sets what saves to `file://` where tfjs has no handler of its own; src/node has one. */
export function setFileSaver(saver: FileSaver): void {
  fileSaver = saver;
}

/** Methods of tf.LayersModel whose computation is synchronous, evaluation within fit() among them. */
const SYNCHRONOUS = ['apply', 'predict', 'predictOnBatch', 'evaluate', 'testLoop'] as const;

type Methods = Record<
  (typeof SYNCHRONOUS)[number] | 'makeTrainFunction' | 'makeTestFunction',
  (...args: never[]) => unknown
>;

/**
 * Makes a tf.LayersModel compute on a backend, in fit(), evaluate() and predict() as in apply(), and its save() take a
 * `file://` address in Node.
 */
export function bindLayers(model: tfl.LayersModel, backend: BoundBackend): void {
  const methods = model as unknown as Methods;
  for (const name of SYNCHRONOUS) {
    const original = methods[name];
    methods[name] = (...args) => onBackend(backend, () => original.apply(model, args));
  }
  // A step of fit(), forward, backward and update, is one synchronous function.
  const { makeTrainFunction, makeTestFunction } = methods;
  methods.makeTrainFunction = () => {
    const step = makeTrainFunction.call(model) as (...args: unknown[]) => unknown;
    return (...args: unknown[]) => onBackend(backend, () => step(...args));
  };
  let bound: unknown;
  methods.makeTestFunction = () => {
    makeTestFunction.call(model);
    const holder = model as unknown as { testFunction: (...args: unknown[]) => unknown };
    const step = holder.testFunction;
    if (step === bound) return;
    bound = holder.testFunction = (...args) => onBackend(backend, () => step(...args));
  };
  const save = model.save.bind(model);
  model.save = (target, config) => save(handlerFor(target), config);
}

function handlerFor(target: tf.io.IOHandler | string): tf.io.IOHandler | string {
  if (typeof target !== 'string' || !target.startsWith('file://') || !fileSaver) return target;
  return tf.io.getSaveHandlers(target).length > 0 ? target : fileSaver(target);
}
