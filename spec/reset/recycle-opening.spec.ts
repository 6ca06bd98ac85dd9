// A reset that keeps its pool while connections are being opened: whoever asks after it, and before no other, is not told of them.
import { expect } from 'chai';
import { useStage } from '../support/stage';

const CLIENTS = 6;
const ROUNDS = 16;

describe('resetConnection() again and again, while connections are opened', () => {
  const stage = useStage();

  for (const connections of ['recycle', 'close'] as const) {
    it(`fails no query that was asked after a reset (${connections})`, async () => {
      const failures: string[] = [];
      for (let client = 0; client < CLIENTS; client++) {
        const db = stage.resettable({ pool: { max: 1 + (client % 4) }, acquireConnectionTimeout: 3000 });
        const ask = (what: string) =>
          db.raw('select 1').then(
            () => {},
            (error: Error) => void failures.push(`${what}: ${error.name} ${error.message}`),
          );
        for (let round = 0; round < ROUNDS; round++) {
          const before = Array.from({ length: round % 4 }, () => db.raw('select 1').catch(() => {}));
          const resets = [db.resetConnection({ connections })];
          if (round % 2) {
            before.push(
              db.raw('select 2').then(
                () => failures.push('between two: stored'),
                () => {},
              ),
            );
            resets.push(db.resetConnection({ connections }));
          }
          await Promise.all([...before, ...resets, ask('after')]);
        }
      }
      expect(failures).to.deep.equal([]);
    });
  }
});
