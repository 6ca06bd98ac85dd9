// The steps of a transaction class of knex's, put into a controller's hands.
import { CONTROLLER, type TransactionController } from './transaction-controller';
import type { Steps } from './transaction-port';
import type { Container, TransactionConfig } from './transaction-request';
import type { TransactionClass } from './transaction-shape';

const ignore = () => {};

/** Its control statements are known from here on. */
function begin(controller: TransactionController, steps: Steps): Promise<unknown> {
  controller.port.prepare(steps);
  return controller.begin();
}

async function inOrder(statements: readonly string[], ask: (sql: string) => Promise<unknown>): Promise<unknown> {
  let answer: unknown;
  for (const sql of statements) answer = await ask(sql);
  return answer;
}

/** Its control statements, which knex sends when the controller says so. */
export function withSteps(Base: TransactionClass): TransactionClass {
  return class extends Base {
    declare [CONTROLLER]: TransactionController;

    override begin(connection: object) {
      const ask = (sql: string) => this.query(connection, sql);
      return begin(this[CONTROLLER], {
        begin: (statements) => (statements ? inOrder(statements, ask) : super.begin(connection)),
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

    override set _resolver(resolve: (value: unknown) => void) {
      this[CONTROLLER].port.settler.resolve = resolve;
    }

    // @ts-expect-error an accessor instead of knex's plain field
    override get _rejecter() {
      return (error: unknown) => this[CONTROLLER].port.rejected(error);
    }

    override set _rejecter(reject: (error: unknown) => void) {
      this[CONTROLLER].port.settler.reject = reject;
    }
  };
}

/** Gives the classes of knex before 3.2 the step that it has since: all that comes after the connection was acquired. */
export function withOnAcquire(Base: TransactionClass): TransactionClass {
  if ('_onAcquire' in Base.prototype) return Base;
  return class extends Base {
    override _evaluateContainer(config: TransactionConfig | undefined, container: Container) {
      return this.acquireConnection(config, (connection) => this._onAcquire(container, connection));
    }

    override _onAcquire(container: Container, connection: object) {
      const useConnection = (_config: unknown, work: (connection: object) => Promise<unknown>) => work(connection);
      this.acquireConnection = useConnection;
      return super._evaluateContainer({}, container);
    }
  };
}
