import * as tf from '@tensorflow/tfjs-core';
import * as deit from './dist/src/index.js';
import { linear } from './dist/src/ops/index.js';

await deit.useBackend('wasm');
const shapes = [
  [56, 224],
  [28, 448],
  [14, 1232],
  [7, 3024],
];
const gw = 112;
const B = +process.argv[2] || 1;
const time = (f, n = 5) => {
  let best = 1e9;
  for (let i = 0; i < n; i++) {
    const t = performance.now();
    const y = f();
    y.dataSync().slice(0, 1);
    y.dispose();
    best = Math.min(best, performance.now() - t);
  }
  return best;
};
for (const [s, c] of shapes) {
  const x = tf.randomNormal([B, s, s, c]);
  const g = c / gw;
  const kernels = Array.from({ length: g }, () => tf.randomNormal([3, 3, gw, gw]));
  const flat = kernels.map((k) => tf.reshape(k, [9 * gw, gw]).clone());
  const split = () =>
    tf.tidy(() =>
      tf.concat(
        tf.split(x, g, 3).map((p, i) => tf.conv2d(p, kernels[i], 1, 'same')),
        3,
      ),
    );
  const bias = tf.zeros([gw]);
  const fused = () =>
    tf.tidy(() =>
      tf.concat(
        tf
          .split(x, g, 3)
          .map((p, i) =>
            tf.fused.conv2d({ x: p, filter: kernels[i], strides: 1, pad: 'same', bias, activation: 'relu' }),
          ),
        3,
      ),
    );
  const im2col = () =>
    tf.tidy(() => {
      const padded = tf.pad(x, [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ]);
      const outs = [];
      for (let i = 0; i < g; i++) {
        const taps = [];
        for (let y = 0; y < 3; y++)
          for (let xx = 0; xx < 3; xx++) taps.push(tf.slice(padded, [0, y, xx, i * gw], [B, s, s, gw]));
        outs.push(linear(tf.reshape(tf.concat(taps, 3), [B * s * s, 9 * gw]), flat[i], {}));
      }
      return tf.reshape(tf.concat(outs, 1), [B, s, s, c]);
    });
  const dense = tf.randomNormal([3, 3, c, c < 2000 ? c : 1]);
  const w = tf.randomNormal([c, c]);
  const d1 = tf.tidy(() => tf.max(tf.abs(tf.sub(split(), im2col()))).dataSync()[0]);
  console.log(
    s,
    c,
    'split',
    time(split).toFixed(1),
    'fused',
    time(fused).toFixed(1),
    'im2col+linear',
    time(im2col).toFixed(1),
    'linear1x1',
    time(() => linear(tf.reshape(x, [B * s * s, c]), w, {})).toFixed(1),
    'conv1x1',
    time(() => tf.conv2d(x, tf.reshape(w, [1, 1, c, c]), 1, 'same'), 2).toFixed(1),
    'GMAC',
    (((s * s * c * 9 * gw) / 1e9) * B).toFixed(3),
    (((s * s * c * c) / 1e9) * B).toFixed(3),
    'diff',
    d1,
  );
  tf.dispose([x, w, dense, ...kernels, ...flat]);
}
