// CREATE INDEX CONCURRENTLY cannot run in a transaction, so this migration has none: each step is its own, and may be run again.
import type { Knex } from 'knex';
import { resettable } from 'knex-reset';

export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  const db = resettable(knex);

  // Mended in blocks: all of one email or nothing of it, again if somebody else was faster.
  const { rows } = await db.raw<{ rows: { email: string }[] }>('select distinct lower(email) as email from accounts');
  for (const { email } of rows) {
    await db.atomic(
      async (trx) => {
        const [kept, ...doubles] = await trx('accounts').whereRaw('lower(email) = ?', email).orderBy('id').pluck('id');
        await trx('accounts').whereIn('id', doubles).del();
        await trx('accounts').where({ id: kept }).update({ email });
      },
      { label: 'one email', retry: 3 },
    );
  }

  await db.raw('drop index concurrently if exists accounts_email'); // what a run that was cut short left behind
  await db.raw('create unique index concurrently accounts_email on accounts (email)');
  await db.raw('alter table accounts alter email type varchar(320)');

  // From here on no connection has a plan from before the change.
  await db.resetConnection({ reason: 'accounts.email has changed' });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index concurrently if exists accounts_email');
}
