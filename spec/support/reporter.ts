// Mocha's spec reporter, closed by one plain line of counts that CI systems recognise.
import Mocha from 'mocha';

class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      // After the epilogue, which the other listeners of `end` print.
      setImmediate(() => console.log(`${passes} passed, ${failures} failed, ${pending} skipped`));
    });
  }
}

export = Reporter;
