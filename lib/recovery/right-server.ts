// `targetSessionAttrs`: accepts connections to the kind of server that was asked for, also after a server has changed its kind.
import { means, NOT_ESTABLISHED } from '../drivers/error-codes';
import {
  type AskedServerKind,
  otherKind,
  type ServerKind,
  type ServerKindTeller,
  type TargetSessionAttrs,
} from '../drivers/server-kind';
import type { Lendable } from '../connection/lendable';
import { read } from '../words/foreign';
import { oneOf, refuseValue, type Settings } from '../words/options';
import { heard, within } from '../words/waiting';

/** Whether no connection was made because the server is of another kind. */
export function saysWrongServer(error: unknown): boolean {
  return read(error, 'code') === NOT_ESTABLISHED;
}

export class RightServer {
  readonly #wanted: TargetSessionAttrs;
  readonly #timeoutMillis: number;
  /** Errors of statements that a server refused which has become read-only: from then on it is the wrong one. */
  readonly #refusals = new WeakSet<object>();
  /** By address: whether what is told at login is believed, as it is once an asked connection led to the server itself. A false stays. */
  readonly #believed = new Map<string, boolean>();

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
    if (isExternal)
      refuseValue('resettable: targetSessionAttrs with connectionPool', this.#wanted, { expected, isWord: true });
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
    if (takesWrites && means(error, 'readOnly') && !connection.user?.isReadOnly) {
      this.#refusals.add(error as object);
      this.#believe(toldBy(connection)?.address, false);
    }
    return error;
  }

  /** Whether an error says that its server is the wrong one. */
  isRefusal(error: unknown): boolean {
    return this.#refusals.has(error as object);
  }

  async #check(connection: Lendable): Promise<void> {
    const told = toldBy(connection);
    const isBelieved = told?.address !== undefined && this.#believed.get(told.address) === true;
    // Only what is asked counts as a refusal.
    if (isBelieved && otherKind(this.#wanted, told) === undefined) return;
    const answer = await within(this.#timeoutMillis, heard(this.#ask(connection)));
    if (answer && 'error' in answer) throw answer.error;
    const found = answer
      ? otherKind(this.#wanted, answer.value)
      : `one that did not say within ${this.#timeoutMillis} ms`;
    if (found === undefined) return;
    const where = answer?.value.address ?? 'the server';
    const message = `targetSessionAttrs: expected a '${this.#wanted}' server, but ${where} is ${found}`;
    // Fatal, so that a block may be tried again for it.
    throw Object.assign(new Error(message), { code: NOT_ESTABLISHED });
  }

  async #ask(connection: Lendable): Promise<AskedServerKind> {
    const { driver, raw } = connection;
    if (!driver.askServerKind) throw new Error('the driver cannot tell');
    const kind = await driver.askServerKind(raw, (sql) => connection.send(sql));
    this.#believe(kind.address, kind.isDirect === true);
    return kind;
  }

  /** For good, once it is false. */
  #believe(address: string | undefined, isTrue: boolean): void {
    if (address !== undefined && this.#believed.get(address) !== false) this.#believed.set(address, isTrue);
  }
}

function toldBy({ driver, raw }: Lendable): ServerKind | undefined {
  return driver.toldServerKind?.(raw);
}
