import { addBackend } from '../../backend.js';
import { COMPUTE_DTYPES } from '../../computeDtype.js';
import { dtypeFrom, findPlugin } from './plugin.js';

/**
 * Adds XLA by a PJRT plugin (CUDA, ROCm, TPU, CPU) as the backend `xla`; importing this module is enough, and loads
 * nothing of it. Its tensors are WASM's: layers, attention maps and training compute there.
 */
addBackend(
  'xla',
  async (asked) => {
    const { dtype = dtypeFrom() } = asked; // told wrong whether or not there is a plugin
    const plugin = findPlugin();
    const { startXla } = await import('./start.js');
    return startXla(plugin, { ...asked, dtype });
  },
  {
    tensors: 'wasm',
    dtypes: COMPUTE_DTYPES,
    devices: async () => {
      const plugin = findPlugin();
      const { xlaDevices } = await import('./start.js');
      return xlaDevices(plugin);
    },
    runtime: async (model, options) => {
      const { xlaRuntime } = await import('./start.js');
      return xlaRuntime(findPlugin(), model, options);
    },
  },
);
