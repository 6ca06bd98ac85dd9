// One sandbox from BEGIN to ROLLBACK: what escaped from it, what was left open in it, whether its constraints hold.
import { shown } from '../words/describe';
import type { Recording } from '../diagnostics/recording';
import { ResetError, SandboxError } from '../words/errors';
import type { Ambient, EnclosingTransaction } from '../pool/ambient';
import type { Guest, SandboxTransaction, SandboxOwner } from '../pool/sandboxes';
import type { CallSite } from '../words/call-site';
import type { LeakReport, SandboxOptions } from '../words/types';

/** What sandboxes need from the rest of their instance. */
export interface SandboxHost {
  readonly ambient: Ambient;
  readonly recording: Recording;
  /** @param stack where it was asked for */
  hold(owner: SandboxOwner, stack: CallSite): Promise<SandboxTransaction>;
}

/** The reason of the reset that `db.destroy()` makes. */
const DESTROY = 'destroy';

export class OpenSandbox implements SandboxOwner {
  readonly guests = new Set<Guest>();
  readonly #instance: SandboxHost;
  readonly #options: SandboxOptions;
  readonly #stopRecording: () => void;
  #held!: SandboxTransaction;
  #escape: SandboxError | undefined;
  #closing: Promise<LeakReport> | undefined;

  private constructor(instance: SandboxHost, options: SandboxOptions) {
    this.#instance = instance;
    this.#options = options;
    this.#stopRecording = instance.recording.start();
  }

  /** @throws SandboxError inside another sandbox, and inside a block of an ambient instance: it could not have a connection of its own there. */
  static async open(
    instance: SandboxHost,
    { options, stack }: { options: SandboxOptions; stack: CallSite },
  ): Promise<OpenSandbox> {
    const around = instance.ambient.current();
    if (around) throw refusal(around === instance.ambient.pinned);
    const sandbox = new OpenSandbox(instance, options);
    return sandbox.#hold(instance.hold(sandbox, stack));
  }

  /** A sandbox inside this one: what is done in it is undone at its end, and the outer one goes on. */
  nest(stack: CallSite): Promise<OpenSandbox> {
    const inner = new OpenSandbox(this.#instance, this.#options);
    return inner.#hold(this.#held.nest(inner, stack));
  }

  async #hold(held: Promise<SandboxTransaction>): Promise<OpenSandbox> {
    try {
      this.#held = await held;
      return this;
    } catch (error) {
      this.#stopRecording();
      throw error;
    }
  }

  get checksConstraints(): boolean {
    return this.#options.checkConstraints !== false;
  }

  /** What runs in it. */
  get enclosing(): EnclosingTransaction {
    return this.#held.enclosing;
  }

  /** Runs work whose async context is in it. @throws SandboxError when it is over */
  run<T>(work: () => T): T {
    const { doom, enclosing } = this.#held;
    if (this.#closing) throw this.closed();
    if (doom instanceof ResetError) throw ended(doom);
    const inside = <R>(inner: () => R): R => this.#instance.ambient.run(enclosing, inner);
    return startedInside(inside, inside(work));
  }

  escaped(sql: string): Error {
    const isSilent = this.enclosing.connection.driver.commitsSilently?.(sql);
    const why = isSilent ? ', which this database commits before and after by itself' : '';
    const remedy = isSilent ? '; change the schema before the sandbox is opened' : '';
    this.#escape ??= new SandboxError(
      `the sandbox was ended by "${shown(sql)}"${why}: what came before it may be stored${remedy}`,
    );
    return this.#escape;
  }

  closed(): Error {
    return new SandboxError('the sandbox is closed');
  }

  /** Calling it again gives the same report. */
  close(): Promise<LeakReport> {
    this.#closing ??= this.#close().finally(this.#stopRecording);
    return this.#closing;
  }

  async #close(): Promise<LeakReport> {
    const held = this.#held;
    const { allBegun } = this.#instance.recording;
    if (allBegun) await allBegun;
    const leaks = this.#leaks();
    const { doom } = held;
    const violation = await held.letGo(this.#constraintCheck);
    if (this.#escape) throw this.#escape;
    if (doom instanceof ResetError) throw ended(doom);
    if (doom !== undefined) throw doom;
    if (violation !== undefined) throw violation;
    return leaks;
  }

  #leaks(): LeakReport {
    const { lastSql } = this.enclosing.connection;
    return {
      transactions: this.#held.describeInside(),
      queries: [...this.guests].map(({ sql, stack }) => ({ sql: sql ?? lastSql ?? '', stack })),
    };
  }

  /** Checks the constraints that COMMIT would have checked, where that can be done at once: what runs would have to be waited for. */
  get #constraintCheck(): string | undefined {
    const { doom, isBusy, enclosing } = this.#held;
    const isPossible = doom === undefined && !isBusy && enclosing.connection.status === 'open';
    return isPossible && this.checksConstraints ? enclosing.connection.driver.constraintCheck : undefined;
  }
}

function ended(reset: ResetError): SandboxError {
  const what = reset.reason === DESTROY ? 'destroy()' : 'a reset';
  return new SandboxError(`${what} ended the sandbox before it was closed`, { cause: reset });
}

function refusal(isPinned: boolean): SandboxError {
  return new SandboxError(
    isPinned
      ? 'a sandbox cannot be opened while another one is pinned to the instance: everything is inside that one. Several may be open at once where each is opened with pinned: false'
      : 'a sandbox cannot be opened inside a transaction block or another sandbox',
  );
}

/** A returned builder runs when it is first awaited, which must happen inside the sandbox. */
function startedInside<T>(inside: <R>(work: () => R) => R, result: T): T {
  const lazy = result as PromiseLike<unknown> | null | undefined;
  if (result instanceof Promise || typeof lazy?.then !== 'function' || !Object.isExtensible(lazy)) return result;
  const then = lazy.then.bind(lazy) as PromiseLike<unknown>['then'];
  return Object.assign(lazy as object, {
    // oxlint-disable-next-line no-thenable -- it is one already
    then: (...callbacks: Parameters<typeof then>) => inside(() => then(...callbacks)),
  }) as T;
}
