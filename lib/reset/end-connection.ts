// Ends what uses a connection, and mostly the connection: each in a reset, or some of them while the others stay. Each user gets its error at
// once, and is counted in the report. On a connection of the user's own that is all that is done.
import type { Connection } from '../connection/connection';
import { quiesce } from '../connection/quiesce';
import type { Ending } from '../connection/state';
import { transactionIdOf } from '../knex/connection-mark';
import { describeUse, type OpenEntry } from '../pool/open-entry';
import type { Register } from '../pool/register';
import { ResetError } from '../words/errors';
import { bounded, step, valueOr } from '../words/foreign';
import type { OpenTransaction, ResetReport } from '../words/types';
import { Deadline, within } from '../words/waiting';
import { emptyReport } from './options';
import { type Cleaning, recycle, rollBackInPlace } from './recycle';

export type { Connection, OpenEntry };

interface Host {
  readonly client: object;
  readonly settings: { readonly timeoutMillis: number };
  readonly pool: { readonly register: Register };
  readonly open: ReadonlySet<OpenEntry>;
}

/** The share of the teardown's time that a transaction in COMMIT has to hear the answer. */
const COMMIT_SHARE = 0.25;

/** Rejects everything that uses the connection or waits for its answer. Each victim has an error of its own. */
function abort(connection: Connection, entry: OpenEntry | undefined, report: ResetReport): void {
  const { reason, generation } = report;
  const transaction = entry && !entry.holdsNothing ? entry.describe() : unregistered(connection);
  if (transaction) report.abortedTransactions.push(transaction);
  else if (connection.running > 0) report.abortedQueries++;
  const error = new ResetError({ reason, generation, transaction });
  connection.refuse(valueOr(undefined, () => entry?.abort(error)) ?? error);
}

/** A transaction on the connection that is not registered. */
function unregistered(connection: Connection): OpenTransaction | undefined {
  // The transaction of one that has died ended with it.
  if (connection.user || connection.death !== undefined) return undefined;
  const { driver, raw } = connection;
  const status = driver.status(raw);
  // Knex before 3.2 leaves its mark on a connection that it gives back: it counts only where the driver cannot tell.
  const id = transactionIdOf(raw);
  if (status === 'idle' || (status === 'unknown' && id === undefined)) return undefined;
  const state = connection.running > 0 ? 'running' : status === 'failed' ? 'failed' : 'idle';
  return describeUse(connection, id ?? 'unknown', state);
}

/** A transaction on a connection of the user's own: a reset ends the transaction, and leaves the connection to the user. */
export async function freeForeign(
  { pool }: Pick<Host, 'pool'>,
  entry: OpenEntry,
  deadline: Deadline,
  report: ResetReport,
): Promise<void> {
  const { connection } = entry;
  if (entry.isCommitting) await within(deadline.part(COMMIT_SHARE), entry.whenDecided);
  if (entry.holdsNothing) return;
  const isRunning = connection.running > 0;
  step(() => abort(connection, entry, report));
  await bounded(deadline, () => quiesce(connection, deadline));
  // Its user may close it as soon as he is told: then the server goes on with what ran.
  if (isRunning && connection.isEnded && !connection.health.hasLetGo)
    await pool.register.terminator.end(connection, deadline);
  // Its transaction settles in the next turn; what the user asks on the connection is asked outside of it.
  connection.accept(connection.stamp);
}

/** What became of a connection. `'kept'`: closing it would lose the data, so it is rolled back instead. */
export type Fate = Ending | 'recycled' | 'kept';

interface Victim {
  readonly connection: Connection;
  readonly entry: OpenEntry | undefined;
  /** It holds the data: it is rolled back in place. */
  readonly isKept: boolean;
  /** Undefined: it is closed. */
  readonly cleaning: Cleaning | undefined;
  readonly deadline: Deadline;
  /** When it may be closed, unless that is at once. */
  readonly turn: Promise<void> | undefined;
}

export async function endConnection(instance: Host, victim: Victim, report: ResetReport): Promise<Fate> {
  const { connection, entry, isKept, cleaning, deadline, turn } = victim;
  const { pool } = instance;
  // Only a COMMIT may still hear its answer.
  if (entry?.isCommitting) await within(deadline.part(COMMIT_SHARE), entry.whenDecided);
  connection.seize();
  if (connection.lent && !connection.isGivenBack) step(() => abort(connection, entry, report));
  if (turn) await turn;
  if (isKept) {
    await rollBackInPlace(pool.register, connection, deadline);
    return 'kept';
  }
  if (cleaning && (await recycle(instance, connection, cleaning))) return 'recycled';
  return pool.register.discard(connection, deadline);
}

/** Ends these uses alone, as a reset does with all. The transactions that are on none of the connections are on the user's own. */
export async function endSome(
  instance: Host,
  { connections, entries }: { connections: Connection[]; entries: OpenEntry[] },
  reason: string,
  generation: number,
): Promise<void> {
  const { register } = instance.pool;
  const deadline = new Deadline(instance.settings.timeoutMillis);
  const report = emptyReport(reason, generation);
  const foreign = entries.filter(({ connection }) => !connections.includes(connection));
  await Promise.all([
    ...connections.map((connection) => {
      const entry = entries.find((each) => each.connection === connection);
      const isKept = register.keeps(connection);
      return endConnection(
        instance,
        { connection, entry, isKept, cleaning: undefined, deadline, turn: undefined },
        report,
      );
    }),
    ...foreign.map((entry) => freeForeign(instance, entry, deadline, report)),
  ]);
  for (const entry of entries) step(() => entry.settle());
}
