// `targetSessionAttrs`: accepts connections to the kind of server that was asked for, also after a server has changed its kind.
import { means, NOT_ESTABLISHED } from '../drivers/error-codes';
import { otherKind, type ServerKind, type ServerKindTeller, type TargetSessionAttrs } from '../drivers/server-kind';
import type { Lendable } from '../connection/lendable';
import { oneOf, refuse, refuseValue, type Settings } from '../words/options';
import { within } from '../words/waiting';

export class RightServer {
  readonly #wanted: TargetSessionAttrs;
  readonly #timeoutMillis: number;
  /** Errors of statements that a server refused which has become read-only: from then on it is the wrong one. */
  readonly #refusals = new WeakSet<object>();

  /** @throws TypeError where the database has no such kind of server, or the pool is the user's */
  constructor(
    driver: ServerKindTeller<unknown> & { readonly name: string },
    { targetSessionAttrs = 'any', timeoutMillis }: Settings,
    isExternal: boolean,
  ) {
    this.#wanted = targetSessionAttrs;
    this.#timeoutMillis = timeoutMillis;
    if (!this.isPicky) return;
    const known = oneOf('any', ...(driver.serverKinds ?? []));
    if (!known.accepts(this.#wanted))
      refuseValue(`resettable: targetSessionAttrs with ${driver.name}`, this.#wanted, known);
    const expected = `'any', as the pool opens its connections itself`;
    if (isExternal) refuse('resettable: targetSessionAttrs with connectionPool', this.#wanted, expected);
  }

  /** A kind is asked for. A connection that was opened before its kind was known does not count as right. */
  get isPicky(): boolean {
    return this.#wanted !== 'any';
  }

  /** A connection is open. Rejects where it leads to another kind of server. @param preparing what else is done to it */
  opened(connection: Lendable, preparing: Promise<unknown> | undefined): Promise<unknown> | undefined {
    return this.isPicky ? Promise.all([preparing, this.#check(connection)]) : preparing;
  }

  /** A statement failed: for how its server is by now, or for what its own transaction is. Returns its error. */
  seen(connection: Lendable, error: unknown): unknown {
    const takesWrites = this.#wanted === 'read-write' || this.#wanted === 'primary';
    if (takesWrites && means(error, 'readOnly') && !connection.user?.isReadOnly) this.#refusals.add(error as object);
    return error;
  }

  /** Whether an error says that its server is the wrong one. */
  isRefusal(error: unknown): boolean {
    return this.#refusals.has(error as object);
  }

  async #check(connection: Lendable): Promise<void> {
    const asked = this.#kindOf(connection).then(
      (kind) => ({ kind }),
      (error: unknown) => ({ error }),
    );
    const answer = await within(this.#timeoutMillis, asked);
    if (answer && 'error' in answer) throw answer.error;
    const found = answer
      ? otherKind(this.#wanted, answer.kind)
      : `one that did not say within ${this.#timeoutMillis} ms`;
    if (found === undefined) return;
    const where = answer?.kind.address ?? 'the server';
    const message = `targetSessionAttrs: expected a '${this.#wanted}' server, but ${where} is ${found}`;
    // Fatal, so that a block may be tried again for it.
    throw Object.assign(new Error(message), { code: NOT_ESTABLISHED });
  }

  #kindOf(connection: Lendable): Promise<ServerKind> {
    const { driver, raw } = connection;
    const kind = driver.serverKind?.(raw, (sql) => connection.send(sql));
    return kind ?? Promise.reject(new Error('the driver cannot tell'));
  }
}
