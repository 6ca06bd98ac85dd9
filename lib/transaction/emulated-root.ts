// An outermost transaction for the user, and a savepoint for the server: in a sandbox. It has the hooks and the checks of an outermost one.
import { mutexOf } from './control';
import { Savepoint } from './savepoint';
import type { Failure } from './state';

export class EmulatedRoot extends Savepoint {
  constructor(details: ConstructorParameters<typeof Savepoint>[0]) {
    super(details, true);
  }

  /** In a sandbox nothing is committed: what COMMIT would refuse is asked for. */
  protected override violation(): Promise<Failure | undefined> | undefined {
    const { connection } = this;
    const check = connection.driver.checkConstraints;
    if (!check || !this.#isWanted) return undefined;
    const checked = mutexOf(this).run(this, async () => {
      // An error arrives before the status that it leaves.
      await connection.whenQuiet();
      // A failed statement makes COMMIT a ROLLBACK, which checks nothing.
      if (connection.status === 'open') await check((sql) => connection.send(sql));
    });
    return checked.then(
      () => undefined,
      (error: unknown) => this.refusal ?? { error },
    );
  }

  get #isWanted(): boolean {
    for (let each: Savepoint['parent'] | undefined = this.parent; each; each = each.parent)
      if (each.sandbox) return each.sandbox.checksConstraints;
    return false;
  }
}
