/** Gives the values of a weight by its name, float32 in row-major order of tfjs' layout. */
export type WeightReader = (name: string) => Promise<Float32Array>;
