export default {
  test: {
    // A process for each file, several at once.
    pool: 'forks',
    include: ['*.test.mjs'],
  },
};
