/** Imported before a program: its first WebGPU device goes away at submission LOSE_AT. */
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
  device ??= made;
  return made;
};
GPUQueue.prototype.submit = function (...given) {
  submissions += 1;
  if (submissions === Number(process.env.LOSE_AT)) device!.destroy();
  return submit.apply(this, given);
};
