// Registers a hook from inside a callback: a block's own way, or the way that any transaction has.
import type { Knex } from 'knex';
import type { AtomicTransaction } from '../../../lib';
import type { Part } from '../schedule/schedule';
import { ask, type Handle } from './ask';
import type { Attempt } from './ledger';
import { OwnError } from './own-error';
import type { Stage } from './stage';
import { subject } from './subject';

export async function registerHook(
  stage: Stage,
  handle: Handle,
  { hook, does }: Extract<Part, { part: 'hook' }>,
  attempt: Attempt,
): Promise<void> {
  const { ledger, released } = stage;
  const number = ledger.registered.length;
  const call = async () => {
    ledger.calls.push({ ...ledger.now(), attempt, hook, number });
    if (does === 'throw') throw new OwnError(`thrown in ${hook} of ${attempt.unit.name}`);
    if (does === 'hang') await released;
    if (does === 'ask' && hook === 'beforeCommit') {
      await ask(stage, handle, { ask: 'insert', number: 0, hasBindings: false }, attempt);
    }
  };
  const trx = handle as AtomicTransaction;
  if (typeof trx[hook] === 'function') trx[hook](call);
  else if (isTransaction(handle)) await subject[hook](handle, call);
  else return;
  ledger.registered.push({ attempt, hook, number });
}

function isTransaction(handle: Handle): handle is Knex.Transaction {
  return (handle as { isTransaction?: boolean }).isTransaction === true;
}
