// What every spec of sandboxes needs: tables that must stay empty, and both kinds of sandbox behind one signature.
import { expect } from 'chai';
export { pidOf } from '../support/backend';
import { type ResettableKnex, type Stage, useStage } from '../support/stage';
import type { LeakReport, SandboxOptions } from '../../lib';

/** `t` has a unique id; `child` refers to `parent`, checked at COMMIT only. */
const TABLES = `
  create table t (id int primary key, note text);
  create table parent (id int primary key);
  create table child (parent_id int references parent deferrable initially deferred);
`;

/** A stage with the tables. */
export function useTables(): Stage {
  const stage = useStage();
  before(() => stage.database.query(TABLES));
  return stage;
}

/** The same for code that does store rows. */
export function useTablesToFill(): Stage {
  const stage = useTables();
  afterEach(async () => {
    await stage.database.query('truncate t');
  });
  return stage;
}

/** What is stored, seen from outside. */
export async function ids(stage: Stage): Promise<number[]> {
  return (await stage.database.query<{ id: number }>('select id from t order by id')).map(({ id }) => id);
}

export async function expectUntouched(stage: Stage, db: ResettableKnex): Promise<void> {
  expect(await ids(stage)).to.deep.equal([]);
  expect(db.connectionState().connections).to.include({ inUse: 0, waiting: 0 });
  expect(db.connectionState().transactions).to.be.empty;
  for (const { state } of await stage.database.backends()) expect(state).to.equal('idle');
}

export type RunInSandbox = (
  db: ResettableKnex,
  body: () => Promise<unknown>,
  options?: SandboxOptions,
) => Promise<unknown>;

export const KINDS: [name: string, run: RunInSandbox][] = [
  ['sandbox()', (db, body, options) => db.sandbox(body, options)],
  [
    'openSandbox()',
    async (db, body, options) => {
      const sandbox = await db.openSandbox(options);
      let result: unknown;
      try {
        result = await body();
      } catch (error) {
        await sandbox.close();
        throw error;
      }
      expect(await sandbox.close()).to.deep.equal({ transactions: [], queries: [] } satisfies LeakReport);
      return result;
    },
  ],
];
