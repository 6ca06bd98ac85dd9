// An outermost transaction for the user, and a savepoint for the server: in a sandbox. It has the hooks and the checks of an outermost one.
import { Deadline } from '../words/waiting';
import { sendInTime, stepMillis } from './control-statements';
import { isUndone, Savepoint } from './savepoint';
import type { Failure } from '../words/failure';

type Check = (send: (sql: string) => Promise<unknown>) => Promise<void>;

export class EmulatedRoot extends Savepoint {
  constructor(details: ConstructorParameters<typeof Savepoint>[0]) {
    super(details, true);
  }

  /** It goes on where the one that it was begun in was committed. */
  override get parentHasEnded(): boolean {
    return isUndone(this.parent);
  }

  /** In a sandbox nothing is committed: what COMMIT would refuse is asked for. */
  protected override violation(): Promise<Failure | undefined> | undefined {
    const check = this.connection.driver.checkConstraints;
    return check && this.#isWanted ? this.#checked(check) : undefined;
  }

  async #checked(check: Check): Promise<Failure | undefined> {
    const { connection } = this;
    const step = await sendInTime(this, new Deadline(stepMillis(this)), async () => {
      try {
        // An error arrives before the status that it leaves.
        await connection.whenQuiet();
        // A failed statement makes COMMIT a ROLLBACK, which checks nothing.
        if (connection.status === 'open') await check((sql) => connection.send(sql));
        return { isDone: true, error: undefined, result: undefined };
      } catch (error) {
        return { isDone: false, error, result: undefined };
      }
    });
    if (step?.isDone) return undefined;
    return this.refusal ?? { error: step ? step.error : connection.refusal };
  }

  get #isWanted(): boolean {
    for (let each: Savepoint['parent'] | undefined = this.parent; each; each = each.parent)
      if (each.sandbox) return each.sandbox.checksConstraints;
    return false;
  }
}
