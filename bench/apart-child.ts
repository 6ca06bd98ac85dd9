// A process that resets its instance as often as it is told, a query after each, and tells when that is done. Its arguments: `ours` or `plain`,
// and the connection as JSON. It ends when it is let go.
import type { TestDatabase } from '../spec/support/database';
import { ours, plain, type SideName } from './instances';
import { destroyAndQuery, resetAndQuery } from './hard-reset';

function main(side: SideName, connection: string): void {
  const address = { connection: JSON.parse(connection) as TestDatabase['connection'] };
  const [db, work] = made();
  process.on('message', (times: number) => {
    work(times).then(
      () => process.send?.(null),
      (error: Error) => process.send?.(error.message),
    );
  });
  process.on('disconnect', () => void db.destroy());

  function made() {
    if (side === 'ours') {
      const db = ours(address);
      return [db, resetAndQuery(db)] as const;
    }
    const db = plain(address);
    return [db, destroyAndQuery(db)] as const;
  }
}

main(process.argv[2] as SideName, process.argv[3] as string);
