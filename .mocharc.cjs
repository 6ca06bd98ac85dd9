// How mocha runs the specs: TypeScript through tsx, one PostgreSQL for the whole run, no `.only` in CI.

// Mocha adds the files of its command line to those of its configuration; here they take their place.
const named = process.argv.slice(2).some((argument) => argument.startsWith('spec/') || argument.endsWith('.ts'));

module.exports = {
  require: ['tsx/cjs', './spec/support/global-setup.ts', './spec/support/root-hooks.ts'],
  extension: ['spec.ts'],
  recursive: true,
  spec: named ? [] : ['spec'],
  timeout: 20000,
  forbidOnly: Boolean(process.env.CI),
  reporter: './spec/support/reporter.ts',
};
