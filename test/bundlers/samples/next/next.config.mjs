export default {
  output: 'export',
  basePath: '/app',
  // Where node_modules is: beside the samples, not in them.
  turbopack: { root: new URL('..', import.meta.url).pathname },
};
