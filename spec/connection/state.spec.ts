// The table of a connection's states: each method that moves it does so where the table allows that, and throws elsewhere.
import { expect } from 'chai';
import { Connection } from '../../lib/connection/connection';
import { CONNECTION_STATES, type ConnectionStateName, type Ending } from '../../lib/connection/state';
import type { Driver } from '../../lib/drivers/driver';
import { SharedWork } from '../../lib/words/shared-work';

const NAMES = Object.keys(CONNECTION_STATES) as ConnectionStateName[];
const mayFollow = (from: ConnectionStateName, to: ConnectionStateName) =>
  (CONNECTION_STATES[from].to as readonly ConnectionStateName[]).includes(to);

function idle(): Connection {
  const driver = { backendId: () => 7, tap: () => () => {}, status: () => 'idle' } as unknown as Driver;
  const events = { onDeath: () => {}, onError: () => {} };
  return new Connection({}, driver, { generation: 0, evictionCount: 0 }, events);
}

const close = (connection: Connection) => connection.close(() => new SharedWork<Ending>(async () => 'ended'));

/** What moves a connection to each state. */
const MOVES: Record<ConnectionStateName, ((connection: Connection) => unknown)[]> = {
  idle: [(connection) => connection.returned()],
  lent: [(connection) => connection.lend(), (connection) => connection.leaveToBorrower()],
  foreign: [(connection) => connection.leaveToUser()],
  seized: [(connection) => connection.seize()],
  closing: [close],
  closed: [(connection) => connection.closed()],
};

/** One in each state. */
const IN: Record<ConnectionStateName, () => Connection> = {
  idle,
  lent: () => after((connection) => connection.lend()),
  foreign: () => after((connection) => connection.leaveToUser()),
  seized: () =>
    after(
      (connection) => connection.lend(),
      (connection) => connection.seize(),
    ),
  closing: () => after(close),
  closed: () => after(close, (connection) => connection.closed()),
};

function after(...steps: ((connection: Connection) => unknown)[]): Connection {
  const connection = idle();
  for (const step of steps) step(connection);
  return connection;
}

/** These take what was done already for done: a close and a reset come whenever they like. */
const REPEATABLE: [ConnectionStateName, ConnectionStateName][] = [
  ['seized', 'seized'],
  ['closing', 'seized'],
  ['closed', 'seized'],
  ['closing', 'closing'],
  ['closed', 'closing'],
];

describe('the states of a connection', () => {
  for (const from of NAMES) {
    for (const to of NAMES) {
      const isRepeated = REPEATABLE.some(([one, other]) => one === from && other === to);
      if (isRepeated) {
        it(`${from} stays as it is when it would become ${to}`, () => {
          const connection = IN[from]();
          for (const move of MOVES[to]) move(connection);
          expect(connection.state.is).to.equal(from);
        });
      } else if (mayFollow(from, to)) {
        it(`${from} may become ${to}`, () => {
          for (const move of MOVES[to]) {
            const connection = IN[from]();
            move(connection);
            expect(connection.state.is).to.equal(to);
          }
        });
      } else {
        it(`${from} never becomes ${to}`, () => {
          for (const move of MOVES[to]) {
            const connection = IN[from]();
            expect(() => move(connection)).to.throw(`a connection cannot move from ${from} to ${to}`);
            expect(connection.state.is).to.equal(from);
          }
        });
      }
    }
  }

  it('has one work of closing for all that close it', () => {
    const connection = IN.lent();
    expect(close(connection)).to.equal(close(connection));
    const work = connection.closing;
    connection.closed();
    expect(connection.closing).to.equal(work);
  });

  it('is seized by a reset that comes while it is closed, or before', () => {
    expect(IN.closing().isSeized).to.equal(false);
    for (const connection of [after(close, (each) => each.seize()), after((each) => each.seize(), close)]) {
      expect(connection.isSeized).to.equal(true);
      connection.closed();
      expect(connection.isSeized).to.equal(true);
    }
  });
});

describe('the lease of a connection', () => {
  it('is one for each borrow, and ends with it', async () => {
    const connection = IN.lent();
    const { lease } = connection;
    connection.returned();
    await lease.whenOver();
    expect(connection).to.include({ lent: false, isGivenBack: false });
    connection.lend();
    expect(connection.lease).not.to.equal(lease);
    expect(connection).to.include({ lent: true, isGivenBack: false });
  });

  it('leaves the text of its last query with nobody: it may have megabytes, and the connection stays idle for long', () => {
    const connection = IN.lent();
    connection.lastSql = 'select 1';
    connection.returned();
    expect(connection.lastSql).to.be.undefined;
  });

  it('continues when a reset seizes the connection, until its borrower releases it', async () => {
    const connection = IN.seized();
    expect(connection).to.include({ lent: true, isGivenBack: false });
    connection.givenBack();
    await connection.lease.whenOver();
    expect(connection).to.include({ lent: true, isGivenBack: true });
    connection.returned();
    expect(connection).to.include({ lent: false, isGivenBack: false });
  });

  it('ends when the connection is closed', async () => {
    const connection = after((each) => each.lend(), close);
    const returned = connection.lease.whenOver();
    connection.closed();
    await returned;
    expect(connection.lent).to.equal(false);
  });
});

describe('the health of a connection', () => {
  const fatal = new Error('fatal');
  const other = new Error('other');

  it('is sound, then suspect, then sound again when it was cleaned', () => {
    const { health } = idle();
    expect(health).to.include({ isSound: true, fatal: undefined, death: undefined });
    health.doubt();
    expect(health.state).to.deep.equal({ is: 'suspect', fatal: undefined });
    health.clear();
    expect(health.isSound).to.equal(true);
  });

  it('keeps the first fatal error, which is the reason of its death as well', () => {
    const { health } = idle();
    health.doubt(fatal);
    health.doubt(other);
    health.doubt();
    expect(health.fatal).to.equal(fatal);
    expect(health.die(other, true)).to.equal(fatal);
    expect(health.state).to.deep.equal({ is: 'dead', error: fatal, fatal, inCommit: true });
  });

  it('stays dead', () => {
    const { health } = idle();
    health.die(other, false);
    health.clear();
    health.doubt(fatal);
    expect(health).to.include({ isSound: false, fatal: undefined, death: other });
  });

  it('takes the end of the socket for the answer of the server where a goodbye was said, and it was orderly', () => {
    for (const isSaid of [false, true]) {
      for (const isOrderly of [false, true]) {
        const { health } = idle();
        if (isSaid) health.saidGoodbye();
        health.socketClosed(isOrderly);
        expect(health.hasLetGo).to.equal(isSaid && isOrderly);
      }
    }
  });
});
