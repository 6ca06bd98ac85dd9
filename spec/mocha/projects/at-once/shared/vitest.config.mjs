// Files that share their modules, the instance with them.
export default {
  test: {
    dir: 'shared',
    isolate: false,
    fileParallelism: false,
    setupFiles: ['shared/setup.mjs'],
  },
};
