export default { test: { setupFiles: ['./vitest.around.setup.mjs'] } };
