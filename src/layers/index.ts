/** Every layer of the families, registered with tfjs under its class name. */
export * from '../families/regnet/layers/index.js';
export * from '../families/vit/layers/index.js';
