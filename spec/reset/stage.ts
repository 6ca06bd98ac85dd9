// What specs of resets share: a table to fill, and what is stored in it, seen from outside.
import type { Knex } from 'knex';
import { asked } from '../support/outcome';
import { type Stage, useStage } from '../support/stage';

/** A stage with a table `t`, which is empty again after each spec. */
export function useTable(): Stage {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));
  afterEach(() => stage.database.query('truncate t'));
  return stage;
}

export const storedIn = (stage: Stage) => stage.database.query('select id from t order by id');

/** Asks at once, without being awaited. */
export const insert = (db: Knex) => asked(db('t').insert({ id: 1 }));
