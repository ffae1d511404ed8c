/** Imported before a program: its WebGPU device goes away at each submission that LOSE_AT names, e.g. `3` or `3,9`. */
import { loadDawn } from '../../../src/node/webgpu/dawn.js';

const { GPUAdapter, GPUQueue } = (await loadDawn()).globals as {
  GPUAdapter: { prototype: GPUAdapter };
  GPUQueue: { prototype: GPUQueue };
};
const { requestDevice } = GPUAdapter.prototype;
const { submit } = GPUQueue.prototype;
let device: GPUDevice | undefined;
let submissions = 0;
GPUAdapter.prototype.requestDevice = async function (...given) {
  const made = await requestDevice.apply(this, given);
  device = made;
  return made;
};
GPUQueue.prototype.submit = function (...given) {
  submissions += 1;
  if (process.env.LOSE_AT!.split(',').includes(String(submissions))) device!.destroy();
  return submit.apply(this, given);
};
