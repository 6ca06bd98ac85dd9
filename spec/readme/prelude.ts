// What an example of the README finds around it, beside what it declares itself.
import type { ResettableKnex } from '../support/stage';

export interface Prelude {
  db: ResettableKnex;
  console: { log(...args: unknown[]): void };
  /** Something slow outside of the database. */
  sendMail(to: string): Promise<void>;
}

export const NAMES = ['db', 'console', 'sendMail'] as const;

export const TABLES = `
  create table accounts (owner text primary key, balance int not null check (balance >= 0));
  create table orders (id serial primary key, item text not null, owner text);
`;

export const EMPTY = `
  truncate accounts, orders restart identity;
  insert into accounts values ('ann', 100), ('bob', 100);
`;
