// Sessions that are ended over side connections, as seen from the side of a connection.
import { expect } from 'chai';
import { Terminator } from '../../lib/connection/terminator';
import type { SideConnection } from '../../lib/drivers/side-connection';
import { Deadline, defer } from '../../lib/words/waiting';
import { millisOf } from '../support/outcome';

type Terminable = Parameters<Terminator['end']>[0];

const LONG = 20_000;
const SOON = 5000;

/** A session with this id on a server that is reached by these side connections, one after the other. */
function sessionOn(sides: (SideConnection | undefined)[], backendId = 7): Terminable {
  const driver = { openSideConnection: () => sides.shift(), isSameServer: () => true };
  return { driver, raw: {}, backendId, ageMillis: 0, health: { state: { is: 'sound' } }, isSeized: true } as never;
}

function side(terminate: SideConnection['terminate']): SideConnection & { isClosed: boolean } {
  return {
    isClosed: false,
    terminate,
    async close() {
      this.isClosed = true;
    },
  };
}

describe('a session that is to be terminated', () => {
  it("is 'terminated' when it existed, and 'gone' when it did not", async () => {
    const answers = [[7], [], []];
    const ending = side(async () => answers.shift() ?? []);
    expect(await new Terminator().end(sessionOn([ending]), new Deadline(LONG))).to.equal('terminated');
    expect(await new Terminator().end(sessionOn([ending]), new Deadline(LONG))).to.equal('gone');
    expect(ending.isClosed).to.equal(true);
  });

  it('is given up at once when no side connection can be opened', async () => {
    const ended = new Terminator().end(sessionOn([undefined]), new Deadline(LONG));
    expect(await millisOf(ended)).to.be.below(SOON);
    expect(await ended).to.equal(undefined);
  });

  it('is ended over another side connection when the first one is silent or fails', async () => {
    const silent = side(() => new Promise(() => {}));
    const failing = side(() => Promise.reject(new Error('refused')));
    const sides = [failing, silent, side(async () => [])];
    expect(await new Terminator().end(sessionOn(sides), new Deadline(LONG))).to.equal('gone');
    expect([failing.isClosed, silent.isClosed]).to.deep.equal([true, true]);
  });

  it('is ended over another side connection also where the time is shorter than a silence', async () => {
    const silent = side(() => new Promise(() => {}));
    const sides = [silent, side(async () => [])];
    expect(await new Terminator().end(sessionOn(sides), new Deadline(450))).to.equal('gone');
  });

  it('is waited for until the deadline, which leaves no side connection', async () => {
    const silent = side(() => new Promise(() => {}));
    const terminator = new Terminator();
    expect(await terminator.end(sessionOn([silent]), new Deadline(50))).to.equal(undefined);
    await terminator.whenIdle();
    expect(silent.isClosed).to.equal(true);
  });

  it('goes over one side connection with others at the same time, and holds none of them up', async () => {
    const left = defer<number[]>();
    const asked: number[][] = [];
    const shared = side((sessions) => {
      asked.push(sessions.map(({ id }) => id));
      return asked.length === 1 ? Promise.resolve([8]) : left.promise;
    });
    const terminator = new Terminator();
    const one = terminator.end(sessionOn([shared], 7), new Deadline(LONG));
    const other = terminator.end(sessionOn([], 8), new Deadline(LONG));
    expect(await one).to.equal('gone');
    left.resolve([]);
    expect(await other).to.equal('terminated');
    expect(asked).to.deep.equal([[7, 8], [8]]);
  });
});
