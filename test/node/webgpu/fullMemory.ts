/** Imported before a program: its WebGPU devices have room for ROOM bytes of buffers. */
import { loadDawn } from '../../../src/node/webgpu/dawn.js';

const { GPUDevice } = (await loadDawn()).globals as { GPUDevice: { prototype: GPUDevice } };
const { createBuffer, popErrorScope } = GPUDevice.prototype;
let taken = 0;
GPUDevice.prototype.createBuffer = function (descriptor) {
  taken += descriptor.size;
  return createBuffer.call(this, descriptor);
};
GPUDevice.prototype.popErrorScope = async function () {
  const error = await popErrorScope.call(this);
  return taken > Number(process.env.ROOM) ? ({ message: 'out of memory' } as GPUError) : error;
};
