// A process that does a work as often as it is told, and tells when that is done. Its arguments: the work's name, and the connection as JSON. It
// ends when it is let go.
import type { TestDatabase } from '../spec/support/database';
import type { Work } from './harness';
import { destroyAndQuery, resetAndQuery } from './hard-reset';
import { ours, plain, type Address } from './instances';
import { deleteEach, recycleAndQuery, repeat, sandbox, truncate } from './isolation-work';
import { atomic, transaction } from './transaction-work';

type Made = [db: { destroy(): Promise<void> }, work: Work];

const on = <K extends { destroy(): Promise<void> }>(db: K, work: (db: K) => Work): Made => [db, work(db)];

const WORKS = {
  'ours.reset': (address: Address) => on(ours(address), resetAndQuery),
  'plain.reset': (address: Address) => on(plain(address), destroyAndQuery),
  'ours.transaction': (address: Address) => on(ours(address), transaction),
  'plain.transaction': (address: Address) => on(plain(address), transaction),
  'ours.atomic': (address: Address) => on(ours(address), atomic),
  'ours.recycle': (address: Address) => on(ours(address), recycleAndQuery),
  'ours.sandbox': (address: Address) => on(ours(address), (db) => repeat(db, sandbox)),
  'plain.truncate': (address: Address) => on(plain(address), (db) => repeat(db, truncate)),
  'plain.deleteEach': (address: Address) => on(plain(address), (db) => repeat(db, deleteEach)),
};

export type WorkName = keyof typeof WORKS;

function main(name: WorkName, connection: string): void {
  const [db, work] = WORKS[name]({ connection: JSON.parse(connection) as TestDatabase['connection'] });
  process.on('message', (times: number) => {
    work(times).then(
      () => process.send?.(null),
      (error: Error) => process.send?.(error.message),
    );
  });
  process.on('disconnect', () => void db.destroy());
}

main(process.argv[2] as WorkName, process.argv[3] as string);
