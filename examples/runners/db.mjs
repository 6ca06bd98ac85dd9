import knex from 'knex';
import { resettable } from 'knex-reset';

export const db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0, max: 5 } }));
