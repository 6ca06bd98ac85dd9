// Runners as they are in a deployment: processes of their own, some of which are killed.
import { expect } from 'chai';
import { useStage } from '../support/stage';
import { until } from '../support/until';
import { useProject } from './project';
import { done, lockRow, startOver } from './source';

/** Stays in one statement until the spec opens the gate. */
const slow = (id: number) => `exports.config = { transaction: false };
  exports.up = async (knex) => {
    await knex('t').insert({ id: ${id} }).onConflict().ignore();
    await knex.raw('do $$ begin while exists (select from gate where closed) loop perform pg_sleep(0.02); end loop; end $$');
  };
  exports.down = async () => {};`;
const quick = (id: number) => `exports.up = (knex) => knex('t').insert({ id: ${id} }); exports.down = async () => {};`;

describe('migration runners', () => {
  const stage = useStage();
  const project = useProject(() => stage.database);

  beforeEach(async () => {
    await startOver(stage.database);
    await stage.database.query(
      'create table t (id int primary key); create table gate (closed bool); insert into gate values (true)',
    );
  });

  afterEach(() => openGate());

  const openGate = () => stage.database.query('update gate set closed = false');
  const ids = async () =>
    (await stage.database.query<{ id: number }>('select id from t order by id')).map((row) => row.id);
  /** The second guarded one tries: what the first did last on its own connection was to look at the row. */
  const queueing = () =>
    until('another asks for the lock', async () =>
      (await stage.database.backends()).some(({ query }) => query.includes('advisory_lock')),
    );
  /** The guarded one has come as far as the row. */
  const looking = () =>
    until('the row is looked at', async () =>
      (await stage.database.backends()).some(({ query }) => query.includes('is_locked')),
    );
  const nobody = () => until('nobody is connected', async () => (await stage.database.backends()).length === 0);

  describe('a guarded one that is killed in the middle of a batch', () => {
    beforeEach(() => project.add({ '1_quick': quick(1), '2_slow': slow(2), '3_quick': quick(3) }));

    it('does not prevent a later one from working', async () => {
      const killed = project.guarded();
      const [pid] = await stage.running('pg_sleep');
      expect(await lockRow(stage.database)).to.deep.equal([2]);
      await killed.kill();
      await stage.database.terminate(pid!); // the server goes on with the statement until it looks at its socket
      await openGate();
      expect(await lockRow(stage.database)).to.deep.equal([2]);

      const next = await project.guarded({ waitMillis: 5000 }).ended;
      expect(next.output).to.include('ran ["2_slow.js","3_quick.js"]');
      expect(next.code).to.equal(0);
      expect(await done(stage.database)).to.deep.equal(['1_quick.js', '2_slow.js', '3_quick.js']);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      await nobody();
    });

    it('counts as running for the plain CLI, until its lock is freed', async () => {
      const killed = project.guarded();
      const [pid] = await stage.running('pg_sleep');
      await killed.kill();
      await stage.database.terminate(pid!);
      await openGate();
      expect((await project.cli('migrate:latest').ended).output).to.include('Migration table is already locked');
      expect((await project.cli('migrate:unlock').ended).code).to.equal(0);
      expect((await project.cli('migrate:latest').ended).output).to.include('Batch 2 run: 2 migrations');
    });
  });

  describe('two guarded ones, started at once', () => {
    it('run one after the other, on an empty database', async () => {
      project.add({ '1_quick': quick(1), '2_slow': slow(2) });
      const runs = [project.guarded(), project.guarded()];
      await stage.running('pg_sleep');
      await queueing();
      await openGate();
      const both = await Promise.all(runs.map((run) => run.ended));
      expect(both.map(({ code }) => code)).to.deep.equal([0, 0]);
      const outputs = both.map(({ output }) => output.trim()).sort();
      expect(outputs).to.deep.equal(['ran ["1_quick.js","2_slow.js"]', 'ran []']);
      expect(await ids()).to.deep.equal([1, 2]);
    });

    it('name the first when the second gives up', async () => {
      project.add({ '1_slow': slow(1) });
      const first = project.guarded();
      const [pid] = await stage.running('pg_sleep');
      const second = await project.guarded({ waitMillis: 200 }).ended;
      expect(second.output).to.match(/MigrationLockError: .*within 200 ms: backend \d+ \(application "runner"/);
      expect(second.code).to.equal(1);
      await first.kill();
      await stage.database.terminate(pid!);
    });
  });

  describe('a plain CLI beside a guarded one', () => {
    it('is waited for while it runs a non-transactional migration', async () => {
      project.add({ '1_slow': slow(1) });
      const plain = project.cli('migrate:latest');
      await stage.running('pg_sleep');
      const guarded = project.guarded();
      await looking();
      await openGate();
      expect((await plain.ended).output).to.include('Batch 1 run: 1 migrations');
      expect((await guarded.ended).output).to.include('ran []');
      expect(await ids()).to.deep.equal([1]);
    });

    it('is waited for while it runs a batch in one transaction', async () => {
      project.add({ '1_slow': slow(1).replace('false', 'true') });
      const plain = project.cli('migrate:latest');
      await stage.running('pg_sleep');
      const guarded = project.guarded();
      await looking();
      await openGate();
      expect((await plain.ended).output).to.include('Batch 1 run: 1 migrations');
      expect((await guarded.ended).output).to.include('ran []');
    });

    it('keeps its row when it was killed, until force frees it', async () => {
      project.add({ '1_slow': slow(1) });
      const plain = project.cli('migrate:latest');
      const [pid] = await stage.running('pg_sleep');
      await plain.kill();
      await stage.database.terminate(pid!);
      await openGate();
      expect((await project.guarded({ waitMillis: 100 }).ended).output).to.match(
        /MigrationLockError: .*a plain runner/,
      );
      expect(await lockRow(stage.database)).to.deep.equal([1]);
      expect((await project.guarded({ waitMillis: 100, force: true }).ended).output).to.include('ran ["1_slow.js"]');
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('finds the row taken while the guarded one is at work', async () => {
      project.add({ '1_slow': slow(1) });
      const guarded = project.guarded();
      const [pid] = await stage.running('pg_sleep');
      const plain = await project.cli('migrate:latest').ended;
      expect(plain.output).to.include('Migration table is already locked');
      expect(plain.code).to.equal(1);
      expect(await lockRow(stage.database)).to.deep.equal([2]);
      await guarded.kill();
      await stage.database.terminate(pid!);
    });
  });

  describe('one whose CREATE INDEX CONCURRENTLY fails', () => {
    const index = (repair: string) => `exports.config = { transaction: false };
      exports.up = async (knex) => {
        ${repair}
        await knex.raw('create unique index concurrently v_once on t (v)');
      };
      exports.down = async () => {};`;

    it('leaves the lock free, and works once the data is mended', async () => {
      await stage.database.query('alter table t add v int; insert into t values (1, 1), (2, 1)');
      project.add({ '1_index': index('') });
      const failed = await project.guarded().ended;
      expect(failed.output).to.include('could not create unique index "v_once"');
      expect(failed.code).to.equal(1);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      project.add({
        '1_index': index(
          "await resettable(knex).atomic(async (trx) => { await trx('t').where({ id: 2 }).del(); await trx.raw('drop index v_once'); });",
        ),
      });
      expect((await project.guarded().ended).output).to.include('ran ["1_index.js"]');
    });

    it('is not delayed by another that waits for the lock', async () => {
      project.add({
        '1_slow': slow(1),
        '2_index': index('').replaceAll('v_once on t (v)', 'gate_once on gate (closed)'),
      });
      const first = project.guarded();
      await stage.running('pg_sleep');
      const second = project.guarded();
      await queueing();
      await openGate();
      expect((await first.ended).output).to.include('ran ["1_slow.js","2_index.js"]');
      expect((await second.ended).output).to.include('ran []');
    });
  });
});
