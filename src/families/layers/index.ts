/** Every layer of the families, registered with tfjs under its class name. */
export * from '../regnet/layers/index.js';
export * from '../vit/layers/index.js';
