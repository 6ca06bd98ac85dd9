// The steps of a transaction class of knex's, put into a controller's hands.
import { CONTROLLER, type TransactionController } from './transaction-controller';
import type { Steps, TransactionClass } from './transaction-port';

const ignore = () => {};

/** Its control statements are known from here on. */
function begin(controller: TransactionController, steps: Steps): Promise<unknown> {
  controller.port.prepare(steps);
  return controller.begin();
}

/** Its control statements, which knex sends when the controller says so. */
export function withSteps(Base: TransactionClass): TransactionClass {
  return class extends Base {
    declare [CONTROLLER]: TransactionController;

    override begin(connection: object) {
      return begin(this[CONTROLLER], {
        begin: () => super.begin(connection),
        commit: () => super.commit(connection),
        rollback: (error) => super.rollback(connection, error),
      });
    }

    override savepoint(connection: object) {
      return begin(this[CONTROLLER], {
        begin: () => super.savepoint(connection),
        commit: () => super.release(connection),
        rollback: (error) => super.rollbackTo(connection, error),
      });
    }

    override commit(_connection: object, value?: unknown) {
      return this[CONTROLLER].commit(value);
    }

    override release(_connection: object, value?: unknown) {
      return this[CONTROLLER].commit(value);
    }

    override rollback(_connection: object, error?: unknown) {
      return this[CONTROLLER].rollback(error);
    }

    override rollbackTo(_connection: object, error?: unknown) {
      return this[CONTROLLER].rollback(error);
    }
  };
}

/** What has become of it, which knex would decide by the first step that it takes for the last. */
export function withOutcome(Base: TransactionClass): TransactionClass {
  return class extends Base {
    declare [CONTROLLER]: TransactionController;

    override isCompleted() {
      const controller = this[CONTROLLER];
      return controller.isCompleted() || (controller.emulatesRoot ? this._completed : super.isCompleted());
    }

    // Knex calls them at each step that it takes for the last. What a successful one means is decided by its answer.
    // @ts-expect-error an accessor instead of knex's plain field
    override get _resolver() {
      return ignore;
    }

    // @ts-expect-error an accessor instead of knex's plain field
    override get _rejecter() {
      return (error: unknown) => this[CONTROLLER].port.rejected(error);
    }
  };
}
