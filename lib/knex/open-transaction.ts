// Control of a transaction that knex has made and begun by itself, such as a migration's.
import type { Knex } from 'knex';
import { controlledClassOf } from './transaction-class';
import { control, type TransactionController } from './transaction-controller';
import type { Container, TransactionConfig } from './transaction-request';
import { type KnexTransaction, SETTLED_BY, type TransactionMaker } from './transaction-shape';
import { unknownKnex } from './shape';

/** What is behind a transaction's handle. Knex shows it only to the transactions that are made inside: one is made up to see it. */
export function machineOf(handle: Knex.Transaction): KnexTransaction {
  const { client } = handle as unknown as { client: object };
  const own = Object.getPrototypeOf(client) as object;
  let machine: KnexTransaction | null | undefined;
  const transaction = (
    _container: Container,
    _config: TransactionConfig | undefined,
    outer: KnexTransaction | null,
  ) => {
    machine = outer;
    return outer;
  };
  Object.setPrototypeOf(client, Object.create(own, { transaction: { value: transaction } }) as object);
  // What comes back is what the made-up method returns: no promise that could reject.
  const make = (): unknown => handle.transaction(() => {});
  make();
  Object.setPrototypeOf(client, own);
  const found = machine as KnexTransaction | null | undefined;
  if (!found) throw unknownKnex(client, ['a transaction that names the one around it']);
  const absent = SETTLED_BY.filter((name) => typeof found[name] !== 'function');
  if (absent.length > 0) throw unknownKnex(client, [`${absent.join(' and ')} of its transaction`]);
  return found;
}

/** Puts a transaction under control that is already open. */
export function controlOpen(trx: KnexTransaction, connection: object, controller: TransactionController): void {
  const own = Object.getPrototypeOf(trx) as KnexTransaction;
  const settle = trx as unknown as Partial<KnexTransaction>;
  const { _resolver: resolve, _rejecter: reject } = trx;
  delete settle._resolver;
  delete settle._rejecter;
  Object.setPrototypeOf(trx, controlledClassOf(trx).prototype as object);
  control(trx, controller);
  Object.assign(controller.port.settler, { resolve, reject });
  const { commit, undo } = trx.client.transacting
    ? { commit: own.release, undo: own.rollbackTo }
    : { commit: own.commit, undo: own.rollback };
  controller.port.prepare({
    begin: async () => {},
    commit: () => commit.call(trx, connection),
    rollback: (error) => undo.call(trx, connection, error),
  });
}

/** The client that the queries of a transaction go through which has begun, and the transaction around it. */
export function partsOf({ trxClient, outerTx }: KnexTransaction): {
  client: TransactionMaker;
  around: KnexTransaction | undefined;
} {
  return { client: trxClient as TransactionMaker, around: outerTx ?? undefined };
}
