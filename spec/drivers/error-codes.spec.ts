// The classifier as a table: which errors end a connection, which are worth another attempt.
import { expect } from 'chai';
import { Client } from 'pg';
import { isFatal, isRetryable } from '../../lib';
import { means } from '../../lib/drivers/error-codes';

const coded = (code: string, message = 'some text') => Object.assign(new Error(message), { code });

const FATAL = [
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08007',
  '08P01',
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
  '25P03',
  '25P04',
  '58000',
  '58030',
  '58P01',
  '58P02',
  'F0000',
  'F0001',
  'XX000',
  'XX001',
  'XX002',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '53300',
  'ER_CON_COUNT_ERROR',
  'ER_CLIENT_INTERACTION_TIMEOUT',
];
const NOT_FATAL = [
  '57014',
  '55P03',
  '40001',
  '40P01',
  '25P02',
  '0A000',
  '23000',
  '23502',
  '23503',
  '23505',
  '23514',
  '23P01',
  '22012',
  '42P01',
  '42601',
  '25001',
  '25006',
  '53100',
  '53200',
  '57000',
  '3D000',
  '28P01',
  'P0001',
  '25P01',
  'ENOENT',
  'ERR_RESET',
  'ERR_TRANSACTION_FAILED',
  '',
  '0',
  '8006',
  '080060',
  'x08006',
  'ECONNRESETx',
];

describe('isFatal()', () => {
  for (const code of FATAL) it(`is true for ${code}`, () => expect(isFatal(coded(code))).to.be.true);
  for (const code of NOT_FATAL) it(`is false for "${code}"`, () => expect(isFatal(coded(code))).to.be.false);

  const texts = [
    'Connection terminated',
    'Connection terminated unexpectedly',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'timeout expired',
    'Connection terminated due to connection timeout',
    'select 1 - Connection terminated unexpectedly',
    'ROLLBACK - Client has encountered a connection error and is not queryable',
  ];
  for (const text of texts) it(`is true for the driver’s "${text}"`, () => expect(isFatal(new Error(text))).to.be.true);

  it('is true for the driver’s error of a closed client', async () => {
    const client = new Client({ connectionString: process.env.DATABASE_URL });
    await client.connect();
    await client.end();
    const error = await client.query('select 1').catch((reason: unknown) => reason);
    expect(isFatal(error)).to.be.true;
  });

  it('does not depend on the text when there is a code', () => {
    expect(isFatal(coded('23505', 'Connection terminated unexpectedly'))).to.be.false;
    expect(isFatal(coded('57P01', 'Abbruch der Verbindung'))).to.be.true;
  });

  it('does not depend on the severity', () => {
    expect(isFatal(Object.assign(coded('28P01'), { severity: 'FATAL' }))).to.be.false;
  });

  for (const value of [undefined, null, 'ECONNRESET', 57, {}, [], new Error('mine'), { code: 8006 }, { code: null }]) {
    it(`is false for ${value instanceof Error ? 'an ordinary error' : JSON.stringify(value)}`, () => {
      expect(isFatal(value)).to.be.false;
    });
  }

  it('takes a plain object with a code', () => expect(isFatal({ code: '57P01' })).to.be.true);
});

describe('isRetryable()', () => {
  for (const code of ['40001', '40P01']) it(`is true for ${code}`, () => expect(isRetryable(coded(code))).to.be.true);
  for (const code of ['40000', '40002', '40003', '23505', '57014', '55P03', '25P02', '57P01', 'ERR_COMMIT_UNKNOWN']) {
    it(`is false for ${code}`, () => expect(isRetryable(coded(code))).to.be.false);
  }
  for (const value of [undefined, null, '40001', 40001, new Error('40001')]) {
    it(`is false for ${String(value)}`, () => expect(isRetryable(value)).to.be.false);
  }
});

describe('the table of error codes', () => {
  const numbered = (errno: number, code?: string) =>
    Object.assign(new Error('some text'), { errno, ...(code && { code }) });

  it('knows an error of MySQL by its name, or by its number where the driver has no name for it', () => {
    expect(means(coded('ER_LOCK_DEADLOCK'), 'retry')).to.be.true;
    expect(means(numbered(1213), 'retry')).to.be.true;
    expect(means(numbered(1213, 'UNKNOWN_CODE_PLEASE_REPORT'), 'retry')).to.be.true;
  });

  it('does not take the numbers of others for those of MySQL', () => {
    expect(means(numbered(1213, 'SQLITE_IOERR'), 'retry')).to.be.false;
    expect(means(numbered(1205, 'ENOENT'), 'lockTimeout')).to.be.false;
  });

  it('reads the text of an error only where its code is for more than one thing', () => {
    const refused = (text: string) =>
      Object.assign(new Error(text), { errno: 1290, code: 'ER_OPTION_PREVENTS_STATEMENT' });
    expect(means(refused('running with the --read-only option'), 'readOnly')).to.be.true;
    expect(means(refused('running with the --secure-file-priv option'), 'readOnly')).to.be.false;
  });

  it('takes two characters for a class of codes in SQLSTATEs of five', () => {
    expect(means(coded('08P01'), 'lostConnection')).to.be.true;
    expect(means(coded('0800'), 'lostConnection')).to.be.false;
  });
});
