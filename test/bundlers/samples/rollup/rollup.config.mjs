import commonjs from '@rollup/plugin-commonjs';
import resolve from '@rollup/plugin-node-resolve';

export default {
  input: 'main.js',
  output: { dir: 'out', format: 'es' },
  plugins: [resolve({ browser: true }), commonjs()],
  onwarn: () => {}, // "this" at the top of modules of tfjs, which is undefined there
};
