// PostgreSQL through the `pg` driver.
import { inBackground } from '../../words/foreign';
import { type Begin, modesOf } from '../begin';
import type { Driver } from '../driver';
import type { Openings } from '../openings';
import type { TransactionStatus } from '../transaction-reader';
import { cancel } from './cancel';
import type { PgConnection, QueryConfig } from './client';
import { checkConstraints } from './constraints';
import { endHeard, forget, hasCommitted, watchCut, watchRefusal, wasRestarted } from './heard';
import { isInStep } from './ledger';
import { askServerKind, keepParameters, toldServerKind } from './server-kind';
import { PLAIN_ROWS } from './plain-rows';
import { ready } from './statements';
import { openSideConnection, PLAIN } from './side-connection';
import { tap } from './tap';
import { isSameWay, rememberFactory } from './way';

function status(connection: PgConnection): TransactionStatus {
  switch (connection.getTransactionStatus?.()) {
    case 'I':
      return 'idle';
    case 'T':
      return 'open';
    case 'E':
      return 'failed';
    default:
      return 'unknown';
  }
}

/** The answer to COMMIT, in `pg` and in its native client. */
export function saysRolledBack(result: unknown): boolean {
  return (result as { command?: string } | undefined)?.command === 'ROLLBACK';
}

/** The driver's module with a Client that says when one is made: knex shows a connection only once it is open. */
function observeOpening(module: unknown, openings: Openings<PgConnection>, keepsServerKind = false): unknown {
  const pg = module as { Client: new (...args: unknown[]) => PgConnection };
  function ended(this: PgConnection): void {
    openings.delete(this);
  }
  class Client extends pg.Client {
    /** The class of side connections, which do not belong to the pool. */
    static readonly [PLAIN] = pg.Client;

    constructor(...args: unknown[]) {
      super(...args);
      if (keepsServerKind) keepParameters(this);
      rememberFactory(this, (args[0] as { stream?: unknown } | undefined)?.stream);
      openings.add(this);
      this.on('end', ended);
    }
  }
  return Object.create(pg, { Client: { value: Client, enumerable: true, configurable: true, writable: true } });
}

/** Sends a statement of this package's own. */
function send(connection: PgConnection, config: string | QueryConfig): Promise<unknown> {
  const { query } = (connection.constructor as { prototype: PgConnection }).prototype;
  forget(connection);
  return new Promise((resolve, reject) => {
    query.call(connection, config, undefined, (error, result) => {
      if (!error) return resolve(result);
      // An error comes before the server is ready for the next statement.
      inBackground((ready(connection) ?? Promise.resolve()).then(() => reject(error)));
    });
  });
}

export const beginOnPostgres: Begin = (modes) => {
  if (modes.readOnly !== false && modes.deferrable === undefined) return undefined;
  return [`BEGIN TRANSACTION ${modesOf(modes).join(' ')};`];
};

export const pgDriver: Driver<PgConnection> = {
  name: 'pg',
  begin: beginOnPostgres,
  constraintCheck: 'SET CONSTRAINTS ALL IMMEDIATE',
  checkConstraints,
  hasCommitted,
  wasRestarted,
  endHeard,
  watchCut,
  watchRefusal,
  isPostgres: true,
  takesScripts: true,
  isOwn: (connection) => (connection as Partial<PgConnection>).connection !== undefined,
  tap,
  status,
  isInStep,
  cancel,
  openSideConnection,
  isSameServer: isSameWay,
  observeOpening,
  serverKinds: ['read-write', 'read-only', 'primary', 'standby'],
  toldServerKind,
  askServerKind,
  backendId: (connection) => connection.processID ?? undefined,
  isGone: (connection) =>
    connection._ended === true ||
    connection._queryable === false ||
    connection.connection.stream.readableEnded === true,
  closeGracefully: (connection) => connection.end(),
  destroySocket: (connection) => void connection.connection.stream.destroy(),
  send: (connection, sql) => send(connection, { text: sql, ...PLAIN_ROWS }),
  saysRolledBack,
  // pg copies a config with all its descriptors, which takes longer than the rest of the way to the wire.
  resetSession: (connection) =>
    send(connection, 'DISCARD ALL').then(() => {
      connection.connection.parsedStatements = {};
    }),
};
