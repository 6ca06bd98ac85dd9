// One sandbox from BEGIN to ROLLBACK: what escaped from it, what was left open in it, whether its constraints hold.
import type { Recording } from '../diagnostics/recording';
import { ResetError, SandboxError } from '../errors';
import { sqlOf } from '../knex/insides';
import type { Instance } from '../pool/instance';
import { userFrames } from '../pool/stack';
import { hold, letGo } from '../transaction/hold';
import { sendOwn } from '../transaction/steps';
import type { Guest, SandboxRoot, Scope } from '../transaction/scope';
import type { LeakReport, SandboxOptions } from '../types';

export class OpenSandbox implements SandboxRoot {
  readonly guests = new Set<Guest>();
  readonly #options: SandboxOptions;
  readonly #stops: (() => void)[];
  #root!: Scope;
  #escape: SandboxError | undefined;
  #closing: Promise<LeakReport> | undefined;

  private constructor(options: SandboxOptions, stops: (() => void)[]) {
    this.#options = options;
    this.#stops = stops;
  }

  /** @throws SandboxError inside a block or another sandbox: it could not have a connection of its own there. */
  static async open(instance: Instance, recording: Recording, options: SandboxOptions): Promise<OpenSandbox> {
    const around = instance.ambient.current() as Scope | undefined;
    if (around)
      throw new SandboxError(
        `a sandbox cannot be opened inside ${around.root.sandbox ? 'another one' : 'a transaction block'}`,
      );
    const sandbox = new OpenSandbox(options, [instance.ambient.follow(), recording.start()]);
    try {
      sandbox.#root = await hold(instance, sandbox);
    } catch (error) {
      sandbox.#stop();
      throw error;
    }
    return sandbox;
  }

  get root(): Scope {
    return this.#root;
  }

  escaped(sql: string): Error {
    this.#escape = new SandboxError(
      `the sandbox was ended by "${sql}", which a test's code must not send: what came before may be stored`,
    );
    return this.#escape;
  }

  /** Calling it again gives the same report. */
  close(): Promise<LeakReport> {
    this.#closing ??= this.#close().finally(() => this.#stop());
    return this.#closing;
  }

  async #close(): Promise<LeakReport> {
    const root = this.#root;
    const leaks = this.#leaks();
    const { doom } = root;
    const violation = doom === undefined && !this.#isBusy ? await this.#checkConstraints() : undefined;
    await letGo(root, new SandboxError('the sandbox is closed'));
    if (this.#escape) throw this.#escape;
    if (doom instanceof ResetError)
      throw new SandboxError('a reset ended the sandbox before it was closed', { cause: doom });
    if (doom !== undefined) throw doom;
    if (violation !== undefined) throw violation;
    return leaks;
  }

  /** Something runs, or waits for its turn, that would have to be waited for. */
  get #isBusy(): boolean {
    return this.guests.size > 0 || this.#root.openInside().some((scope) => scope.running > 0);
  }

  #leaks(): LeakReport {
    return {
      transactions: this.#root.openInside().map((scope) => scope.describe()),
      queries: [...this.guests].map(({ asked }) => ({
        sql: sqlOf(asked?.builder) ?? this.#root.session.lastSql ?? '',
        stack: userFrames(asked?.stack),
      })),
    };
  }

  /** The constraints that COMMIT would have checked. Returns the database's own error. */
  async #checkConstraints(): Promise<unknown> {
    const { session } = this.#root;
    if (this.#options.checkConstraints === false || session.driver.status(session.connection) !== 'open')
      return undefined;
    try {
      await sendOwn(this.#root, 'SET CONSTRAINTS ALL IMMEDIATE');
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
