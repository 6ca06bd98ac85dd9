// What a PostgreSQL server has said of the latest statement, message by message: pg tells of a script only when all of it is answered,
// and of nothing when the connection dies before that.
import { means } from '../error-codes';
import { countOfRollbacksTo, withPlainComments } from '../statement-text';
import type { Answer, CutWatch, RefusalWatch } from '../transaction-reader';
import type { PgConnection, Wire } from './client';

/** On the wire itself: it is asked for with each statement. */
const HEARD = Symbol('knex-reset.heard');

/** Of all that have heard none. Nothing is written into it. */
const NOTHING: string[] = [];
/** ROLLBACK TO a savepoint is answered as ROLLBACK is. */
const ENDS = new Set(['COMMIT', 'ROLLBACK', 'PREPARE TRANSACTION']);
/** In the place of a tag: COPY has begun, and waits for its data. */
const COPY_IN = 'COPY IN';

/** Tags of ends, and last of all perhaps a COPY that has begun. */
interface Heard {
  [HEARD]?: string[] | undefined;
}

export function listen(wire: Wire): void {
  (wire as Heard)[HEARD] = NOTHING;
  wire.on('commandComplete', onComplete);
}

export function stopListening(wire: Wire): void {
  (wire as Heard)[HEARD] = undefined;
  wire.off('commandComplete', onComplete);
}

/** One function for all connections. Of a script with thousands of statements no more is kept than its ends of transactions. */
function onComplete(this: Heard, { text = '' }: { text?: string }): void {
  const heard = this[HEARD];
  if (heard?.at(-1) === COPY_IN) heard.pop();
  if (ENDS.has(text)) note(this, text);
}

/** The first tag makes a list of one: push() on an empty one would keep room for many more, on each connection. A copy for each tag would take long in a script. */
function note(wire: Heard, tag: string): void {
  const heard = wire[HEARD];
  if (heard && heard.length > 0) heard.push(tag);
  else wire[HEARD] = [tag];
}

/** A statement is sent: what was said before is about another. */
export function forget({ connection: wire }: PgConnection): void {
  if ((wire as Heard)[HEARD] !== NOTHING) (wire as Heard)[HEARD] = NOTHING;
}

function tagsOf({ connection: wire }: PgConnection): readonly string[] {
  return (wire as Heard)[HEARD] ?? NOTHING;
}

function endsOf(connection: PgConnection): readonly string[] {
  return tagsOf(connection).filter((tag) => ENDS.has(tag));
}

/** COMMIT was heard, and no other end: behind a ROLLBACK it may have stored only what came between them. */
export function hasCommitted(connection: PgConnection): boolean {
  const ends = endsOf(connection);
  return ends.length > 0 && ends.every((tag) => tag === 'COMMIT');
}

/** A transaction is open though an end was heard that the text does not show to be ROLLBACK TO. */
export function wasRestarted(connection: PgConnection, { sql }: Answer): boolean {
  const ends = endsOf(connection);
  if (ends.length === 0) return false;
  return ends.some((tag) => tag !== 'ROLLBACK') || ends.length > countOfRollbacksTo(withPlainComments(sql));
}

/** The answer to COMMIT, as far as it was heard. */
export function endHeard(connection: PgConnection): 'committed' | 'rolledBack' | undefined {
  const tags = tagsOf(connection);
  if (tags.includes('COMMIT')) return 'committed';
  return tags.includes('ROLLBACK') ? 'rolledBack' : undefined;
}

/** pg does not tell of an error whose statement it waits for no longer. */
export function watchRefusal({ connection: wire }: PgConnection): RefusalWatch {
  let refusal: unknown;
  const onError = (error: unknown) => {
    refusal ??= error;
  };
  wire.on('errorMessage', onError);
  return { heard: () => refusal, end: () => void wire.off('errorMessage', onError) };
}

export function heardCopyIn(connection: PgConnection): void {
  if (!waitsForCopy(connection)) note(connection.connection as Heard, COPY_IN);
}

/** Whether the server waits for the data of a COPY, as far as was heard: it takes no CancelRequest meanwhile, only a CopyFail. */
export function waitsForCopy(connection: PgConnection): boolean {
  return tagsOf(connection).at(-1) === COPY_IN;
}

/** A COMMIT is about to be cancelled. If that cuts short its wait for a standby, the server warns of it, and answers as if nothing was. */
export function watchCut(connection: PgConnection): CutWatch {
  let isWarned = false;
  const onNotice = (notice: unknown) => {
    isWarned ||= means(notice, 'warning');
  };
  connection.on('notice', onNotice);
  return { hasCut: () => isWarned, end: () => void connection.off('notice', onNotice) };
}
