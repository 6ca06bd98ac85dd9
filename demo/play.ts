// Plays the suite once, with a real mocha, over one instance.
import path from 'node:path';
import Mocha from 'mocha';

export interface TestResult {
  title: string;
  durationMillis: number;
  error: Error | undefined;
}

/** How long mocha waits for one test: that of the lock would wait for ever. */
const TEST_MILLIS = 1200;

class SilentReporter extends Mocha.reporters.Base {}

export async function play(): Promise<TestResult[]> {
  const results: TestResult[] = [];
  const mocha = new Mocha({ timeout: TEST_MILLIS, reporter: SilentReporter });
  mocha.addFile(path.join(__dirname, 'suite.ts'));
  await new Promise<void>((resolve) => {
    let startedAt = 0;
    const take = (test: Mocha.Test, error?: Error) =>
      results.push({ title: test.title, durationMillis: performance.now() - startedAt, error });
    mocha
      .run(() => resolve())
      .on('test', () => {
        startedAt = performance.now();
      })
      .on('pass', (test) => take(test))
      .on('fail', (test, error: Error) => take(test as Mocha.Test, error));
  });
  mocha.dispose(); // so that the file is read again for the next run
  return results;
}
