// Mocha's spec reporter, closed by one plain line of counts that CI systems recognise. There a skip without a name is a failure.
import Mocha from 'mocha';
import { isUnnamed } from './named-skips';

class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const [unnamed, retried]: [string[], string[]] = [[], []];
    runner.on('retry', (test) => void retried.push(test.fullTitle()));
    runner.on('pending', (test) => {
      const title = test.fullTitle();
      if (isUnnamed(title)) unnamed.push(title);
    });
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const [failed, skipped] = [failures + unnamed.length, pending - unnamed.length];
      // Mocha reads the exit code from it, later.
      runner.failures += unnamed.length;
      // After the epilogue, which the other listeners of `end` print.
      setImmediate(() => {
        for (const title of unnamed) console.log(`skipped, and not in spec/support/named-skips.ts: ${title}`);
        for (const title of retried) console.log(`failed, and was tried again (--retries): ${title}`);
        console.log(`${passes} passed, ${failed} failed, ${skipped} skipped`);
      });
    });
  }
}

export = Reporter;
