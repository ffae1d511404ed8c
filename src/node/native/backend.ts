import { activate, addBackend } from '../../backend.js';
import '../wasmBackend.js';
import { loadTfjsNode } from './tfjsNode.js';

/** Adds native TensorFlow, on the CPU or CUDA, as the backend `tensorflow`; importing this module is enough. */
addBackend(
  'tensorflow',
  async () => {
    const { tfjsNode, name, cuda } = await loadTfjsNode();
    const { isUsingGpuDevice, binding } = (await activate('tensorflow')).instance as ReturnType<
      typeof tfjsNode.backend
    >;
    const missed = cuda
      ? 'the CPU: CUDA is installed, but TensorFlow finds no GPU that it can use'
      : 'the CPU';
    const device = isUsingGpuDevice ? 'CUDA' : missed;
    return `tensorflow: ${binding.TF_Version} on ${device} (${name} ${tfjsNode.version['tfjs-node']})`;
  },
  {
    runtime: async (model) => {
      const { graphRuntime } = await import('./graphRuntime.js');
      return graphRuntime((await loadTfjsNode()).tfjsNode, model);
    },
  },
);
