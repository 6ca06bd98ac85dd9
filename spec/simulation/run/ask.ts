// Asks one statement of the workload, and writes down what its asker is told.
import type { Knex } from 'knex';
import type { AtomicTransaction } from '../../../lib';
import type { Statement } from '../schedule/schedule';
import type { Asked, Attempt } from './ledger';
import { isWrite, sqlOf } from './sql-of';
import type { Stage } from './stage';

export type Handle = Knex | Knex.Transaction | AtomicTransaction;

/** Asks the statement; its promise settles as the asker is told. */
export async function ask(stage: Stage, handle: Handle, statement: Statement, attempt: Attempt): Promise<unknown> {
  let bindings: number[] = [];
  const asked: Asked = stage.ledger.statement(attempt, isWrite(statement), (token) => {
    const text = sqlOf(statement, token);
    bindings = text.bindings;
    return text.sql;
  });
  const query = handle.raw(asked.sql, bindings) as PromiseLike<unknown>;
  // Now: Promise.resolve() would ask it a moment later, and a reset might come between.
  const asking = new Promise((resolve, reject) => void query.then(resolve, reject));
  return stage.ledger.watch(asked, asking);
}
