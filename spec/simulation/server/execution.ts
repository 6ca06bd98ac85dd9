// Runs one statement in a backend's session, and says what the answer is.
import type { Column, Row } from '../wire/backend';
import type { Backend } from './backend';
import type { Command } from './command';
import type { ServerTransaction } from './database';
import { type Context, activity, columnsOf, evaluate } from './functions';
import { SqlError } from './sql-error';

export interface Answer {
  tag: string;
  columns?: Column[];
  rows?: Row[];
  warning?: { code: string; message: string };
}

const INT4 = 23;
const SERIES = /^generate_series\((\d+), ?(\d+)\)$/i;

/** What the statement's rows look like, before it has run. */
export function columnsFor(command: Command): Column[] | undefined {
  if (command.is === 'insert' || command.is === 'update') return [{ name: 'token', type: INT4 }];
  if (command.is !== 'select') return undefined;
  const [item] = command.items;
  if (item && (SERIES.test(item.expression) || isStoredAsked(command))) return [{ name: item.name, type: INT4 }];
  return columnsOf(command.items);
}

function isStoredAsked(command: Extract<Command, { is: 'select' }>): boolean {
  return command.from?.startsWith('entries') ?? false;
}

export class Execution {
  constructor(
    private readonly backend: Backend,
    private readonly command: Command,
    private readonly parameters: (string | null)[],
    private readonly token: number | undefined,
  ) {}

  async run(): Promise<Answer> {
    const { command, backend } = this;
    const isEnd = command.is === 'commit' || command.is === 'rollback' || command.is === 'rollback to';
    if (backend.transaction?.hasFailed && !isEnd) {
      throw new SqlError('25P02', 'current transaction is aborted, commands ignored until end of transaction block');
    }
    switch (command.is) {
      case 'begin':
        return this.#begin(command.isReadOnly);
      case 'commit':
        return this.#commit(command.isChained);
      case 'rollback':
        return this.#rollBack(command.isChained);
      case 'savepoint':
      case 'release':
      case 'rollback to':
        return this.#savepoint(command.is, command.name);
      case 'insert':
      case 'update':
        return await this.#write(command);
      case 'select':
        return await this.#select(command);
      case 'set':
        return { tag: command.tag };
      case 'discard':
        backend.statements.clear();
        return { tag: 'DISCARD ALL' };
      case 'empty':
        return { tag: '' };
      case 'not understood':
        throw new SqlError('42601', 'not simulated');
    }
  }

  #begin(isReadOnly: boolean): Answer {
    const { transaction } = this.backend;
    if (transaction?.isExplicit) {
      return { tag: 'BEGIN', warning: { code: '25001', message: 'there is already a transaction in progress' } };
    }
    this.backend.openTransaction().isExplicit = true;
    this.backend.openTransaction().isReadOnly = isReadOnly;
    return { tag: 'BEGIN' };
  }

  async #commit(isChained: boolean): Promise<Answer> {
    const { transaction } = this.backend;
    if (!transaction?.isExplicit) return noTransaction('COMMIT');
    if (transaction.hasFailed) return this.#rollBack(isChained);
    const warning = await this.backend.commit();
    if (isChained) this.backend.openTransaction().isExplicit = true;
    return warning ? { tag: 'COMMIT', warning } : { tag: 'COMMIT' };
  }

  #rollBack(isChained: boolean): Answer {
    if (!this.backend.transaction?.isExplicit) return noTransaction('ROLLBACK');
    this.backend.rollBack();
    if (isChained) this.backend.openTransaction().isExplicit = true;
    return { tag: 'ROLLBACK' };
  }

  #savepoint(what: 'savepoint' | 'release' | 'rollback to', name: string): Answer {
    const { transaction, server } = this.backend;
    if (!transaction?.isExplicit) {
      throw new SqlError('25P01', `${what.toUpperCase()} can only be used in transaction blocks`);
    }
    if (what === 'rollback to') server.database.rollBackTo(transaction, name);
    else if (what === 'release') transaction.release(name);
    else transaction.savepoint(name);
    return { tag: what === 'rollback to' ? 'ROLLBACK' : what.toUpperCase() };
  }

  async #write(command: Extract<Command, { is: 'insert' | 'update' }>): Promise<Answer> {
    const { database } = this.backend.server;
    const transaction = this.backend.openTransaction();
    if (this.backend.server.isStandby) throw new SqlError('25006', 'cannot execute it in a read-only transaction');
    const key = command.is === 'insert' && command.key ? this.#value(command.key) : undefined;
    if (key !== undefined) await this.#lock(transaction, `key ${key}`);
    if (command.is === 'update') await this.#lock(transaction, `slot ${this.#value(command.slot)}`);
    const value = this.#value(command.value);
    database.write(transaction, { value: Number(value), token: this.token ?? 0, key });
    const tag = command.is === 'insert' ? 'INSERT 0 1' : 'UPDATE 1';
    return { tag, columns: columnsFor(command)!, rows: [[value]] };
  }

  async #lock(transaction: ServerTransaction, name: string): Promise<void> {
    const wait = this.backend.server.database.locks.take(transaction, name);
    try {
      if (wait) await this.backend.waitFor(wait.granted);
    } catch (error) {
      wait?.giveUp();
      throw error;
    }
    transaction.locks.push(name);
  }

  async #select(command: Extract<Command, { is: 'select' }>): Promise<Answer> {
    const columns = columnsFor(command)!;
    const rows = await this.#rows(command);
    return { tag: `SELECT ${rows.length}`, columns, rows };
  }

  async #rows({ items, from }: Extract<Command, { is: 'select' }>): Promise<Row[]> {
    this.backend.openTransaction();
    const series = SERIES.exec(items[0]?.expression ?? '');
    // There are no deferrable constraints.
    if (from && /^pg_constraint\b/i.test(from)) return [];
    if (series) {
      const [first, last] = [Number(series[1]), Number(series[2])];
      return Array.from({ length: last - first + 1 }, (_, i) => [String(first + i)]);
    }
    const context: Context = { backend: this.backend, row: undefined, value: (text) => this.#value(text) };
    // What is asked of the catalog is answered the same whatever is in it.
    if (from === undefined || from.startsWith('(')) return [await evaluate(items, context)];
    if (/^pg_stat_activity\b/i.test(from)) {
      const rows: Row[] = [];
      for (const row of activity(from, context)) rows.push(await evaluate(items, { ...context, row }));
      return rows;
    }
    if (from.startsWith('entries')) return this.#visible();
    throw new SqlError('42P01', `relation "${from}" does not exist`);
  }

  /** What is stored, and what this transaction has written. */
  #visible(): Row[] {
    const { transaction, server } = this.backend;
    return [...server.database.stored, ...(transaction?.writes ?? [])].map(({ token }) => [String(token)]);
  }

  #value(text: string): string {
    return text.startsWith('$') ? (this.parameters[Number(text.slice(1)) - 1] ?? '') : text;
  }
}

function noTransaction(tag: string): Answer {
  return { tag, warning: { code: '25P01', message: 'there is no transaction in progress' } };
}
