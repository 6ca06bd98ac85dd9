// The statements by which this package itself controls transactions.

export const BEGIN = 'BEGIN';
export const ROLLBACK = 'ROLLBACK';

export function savepoint(name: string): string {
  return `SAVEPOINT ${name}`;
}

export function release(name: string): string {
  return `RELEASE SAVEPOINT ${name}`;
}

export function rollbackTo(name: string): string {
  return `ROLLBACK TO SAVEPOINT ${name}`;
}

export const PING = 'SELECT 1';
