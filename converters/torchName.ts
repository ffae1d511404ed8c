/** PyTorch's name of a weight: `kernel` and `gamma` are `weight` there, `beta` is `bias`. */
export function torchName(name: string): string {
  if (/\.ls[12]\.gamma$/.test(name)) return name;
  return name.replace(/\.(kernel|gamma)$/, '.weight').replace(/\.beta$/, '.bias');
}
