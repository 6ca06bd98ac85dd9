// What a chaos run needs of a database: a server that can be hurt, and a look at it from outside.
import type { Knex } from 'knex';
import type { FaultProxy } from '../../spec/support/fault-proxy';
import type { Random } from './random';

export interface LedgerRow {
  id: number;
  payer: number;
  payee: number;
  amount: number;
}

/** Hurts the server or the way to it, and has it healthy again when it resolves. */
export type Fault = (random: Random) => Promise<void>;

export interface World {
  readonly name: string;
  /** The way of the transfers to the server, as an ordinary user. */
  readonly proxy: FaultProxy;
  readonly config: Knex.Config;
  /** Whether `verifyCommit` can be asked for. */
  readonly verifiesCommits: boolean;
  readonly faults: Readonly<Record<string, Fault>>;
  ledger(): Promise<LedgerRow[]>;
  /** By account. */
  balances(): Promise<Map<number, number>>;
  /** What the server still holds for the ordinary user: empty once it has let go. */
  left(): Promise<string[]>;
  close(): Promise<void>;
}

export const ACCOUNTS = 20;
export const OPENING_BALANCE = 1_000_000;

/** In the SQL of both databases. */
export const TABLES = [
  'create table accounts (id int primary key, balance bigint not null)',
  'create table ledger (id int primary key, payer int not null, payee int not null, amount int not null)',
  `insert into accounts values ${Array.from({ length: ACCOUNTS }, (_, id) => `(${id}, ${OPENING_BALANCE})`).join(', ')}`,
];

export function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
