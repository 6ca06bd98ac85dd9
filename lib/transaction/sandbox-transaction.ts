// A transaction that is held open by this package itself, for a sandbox: begun like any other, and only ever rolled back.
import type { SandboxTransaction, SandboxOwner, Instance } from '../pool/instance';
import type { CallSite } from '../words/call-site';
import { SavepointMutex } from '../connection/savepoint-mutex';
import { makeInside } from '../knex/inner-transaction';
import { acquireTimeoutMillisOf, type KnexTransaction } from '../knex/insides';
import { within } from '../words/waiting';
import { endedByUser } from './server-view';
import { HELD, innermostHandle } from './begin';
import { endWithin, rollBack } from './roll-back';
import type { Transaction } from './transaction';
import type { HeldSpec } from './transaction-details';
import type { OpenTransaction } from '../words/types';

/** Begins it. Everything on its connection takes turns from then on. */
export async function openSandboxTransaction(
  instance: Instance,
  holder: SandboxOwner,
  stack: CallSite,
): Promise<SandboxTransaction> {
  const { client, knex } = instance;
  const transaction = await held({ holder, stack }, (spec) =>
    client.transaction(neverCalled, { userParams: knex.userParams, doNotRejectOnRollback: true, [HELD]: spec }),
  );
  const { connection } = transaction;
  const mutex = new SavepointMutex(connection, {
    hasSavepoint: connection.driver.takesScripts === true,
    waitMillis: acquireTimeoutMillisOf(client),
    timeoutMillis: instance.settings.timeoutMillis,
    onEscape: (sql) => endedByUser(transaction, { sql, rolledBack: false }),
    onSilence(error) {
      transaction.doom ??= error;
    },
  });
  connection.mutex = mutex;
  return new HeldScope(transaction, holder, mutex);
}

/** Resolves when it is open. It has neither a handle nor a callback that would end it. */
function held(
  { holder, stack }: Pick<HeldSpec, 'holder' | 'stack'>,
  make: (spec: HeldSpec) => KnexTransaction,
): Promise<Transaction> {
  return new Promise((resolve, reject) => void make({ holder, stack, begun: resolve }).catch(reject));
}

// A class: an object literal with getters has a hidden class of its own each time, which V8 keeps, with all that it refers to, until a full collection.
class HeldScope implements SandboxTransaction {
  readonly #holder: SandboxOwner;
  readonly #mutex: SavepointMutex;

  constructor(
    readonly enclosing: Transaction,
    holder: SandboxOwner,
    mutex: SavepointMutex,
  ) {
    this.#holder = holder;
    this.#mutex = mutex;
  }

  get doom(): unknown {
    // A connection that had a fatal error is about to end.
    const { enclosing } = this;
    return enclosing.doom ?? enclosing.root.doom ?? enclosing.connection.fatal;
  }

  get isBusy(): boolean {
    return this.#holder.guests.size > 0 || this.enclosing.openInside().some((inner) => inner.running > 0);
  }

  async nest(holder: SandboxOwner, stack: CallSite): Promise<SandboxTransaction> {
    const { trx } = innermostHandle(this.enclosing);
    const inner = await held({ holder, stack }, (spec) => makeInside(trx, neverCalled, { [HELD]: spec }));
    return new HeldScope(inner, holder, this.#mutex);
  }

  describeInside(): OpenTransaction[] {
    return this.enclosing.openInside().map((inner) => inner.describe());
  }

  letGo(constraintCheck: string | undefined): Promise<unknown> {
    return letGo(this.enclosing, this.#mutex, constraintCheck);
  }
}

const neverCalled = () => {};

/** Ends it and all that is open inside: what runs is cancelled, what was done is undone. Returns what the check found, where there was one. */
async function letGo(
  transaction: Transaction,
  mutex: SavepointMutex,
  constraintCheck: string | undefined,
): Promise<unknown> {
  let violation: unknown;
  if (transaction.isAborted) {
    transaction.settle();
  } else if (transaction.phase === 'open') {
    transaction.phase = 'ending';
    if (transaction.children.size > 0) endWithin(transaction, transaction.refusal);
    if (constraintCheck !== undefined) violation = await checkAndUndo(transaction, mutex, constraintCheck);
    if (!transaction.outcome) await rollBack(transaction, transaction.doom);
  }
  await transaction.whenOver;
  return violation;
}

/** Both in one message where the driver can. A check that fails, or is not answered in time, leaves the rest to a rollback like any other. */
async function checkAndUndo(
  transaction: Transaction,
  mutex: SavepointMutex,
  constraintCheck: string,
): Promise<unknown> {
  const { connection, instance } = transaction;
  const { timeoutMillis } = instance.settings;
  const sent = mutex.finish(transaction, [constraintCheck, ...undoing(transaction)]).then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const answer = await within(timeoutMillis, sent);
  if (answer && answer.error === undefined)
    transaction.decide({ kind: 'rolledBack', error: transaction.doom, resolves: true });
  return answer && (connection.fatal ?? answer.error);
}

function undoing({ isSavepoint, id }: Transaction): string[] {
  return isSavepoint ? [`ROLLBACK TO SAVEPOINT ${id}`, `RELEASE SAVEPOINT ${id}`] : ['ROLLBACK'];
}
