// Knex as the examples import it: the build under test, with a log that prints nothing.
import type { Knex } from 'knex';
import { knexBuild } from '../support/quiet-knex';

export default function knex(config: Knex.Config): Knex {
  return knexBuild()({ log: { warn() {}, error() {}, deprecate() {}, debug() {} }, ...config });
}
