// How a block ended × what the server said → what the caller gets, what was sent, which hooks ran, what became of the connection.
import { expect } from 'chai';
import type { TransactionHooks } from '../../lib';
import { mine, outcomeRows } from './outcome-rows';
import { pidOf, type rejection, useStage } from './stage';

const KINDS = [
  'afterBegin',
  'beforeCommit',
  'afterCommit',
  'afterRollback',
  'onFatal',
  'onRetry',
  'afterUnknown',
] as const;

/** PostgreSQL sends an error before it says that it is ready again; the two may come together or apart. */
const READINESS = { '': 0, ', ready a little later': 20 };

describe('the outcome of a block', () => {
  const stage = useStage();

  for (const [suffix, delayMillis] of Object.entries(READINESS)) {
    for (const row of outcomeRows(stage)) {
      it(`is ${row.gets} when it ${row.ended} and the server said ${row.said}${suffix}`, async () => {
        stage.proxy.readyDelayMillis = delayMillis;
        const pid = await pidOf(stage.db);
        stage.transcript.clear();
        row.before?.();
        const ran: string[] = [];
        const hooks = Object.fromEntries(KINDS.map((kind) => [kind, () => void ran.push(kind)])) as TransactionHooks;

        const { value, error } = await stage.db
          .atomic((trx) => row.block(trx), { ...row.options, hooks })
          .then(
            (given: unknown) => ({ value: given, error: undefined }),
            (reason: Awaited<ReturnType<typeof rejection>>) => ({ value: undefined, error: reason }),
          );

        expect(error === undefined ? value : (error.code ?? error.message)).to.equal(row.gets);
        if (row.gets === 'mine') expect(error).to.equal(mine);
        if (row.cause) expect([error?.cause?.code, error?.cause?.message]).to.include(row.cause);
        if (error !== mine || row.suppressed) expect(error?.suppressed ?? []).to.have.lengthOf(row.suppressed ?? 0);
        delete (mine as { suppressed?: unknown }).suppressed;
        expect(stage.sql).to.deep.equal(row.sql);
        expect(ran).to.deep.equal(row.hooks);
        await stage.idle();
        const isKept = (await pidOf(stage.db)) === pid;
        expect(isKept ? 'kept' : 'closed').to.equal(row.connection);
      });
    }
  }
});
