// The simple and the extended query protocol of one session.
import * as say from '../wire/backend';
import type { Asked } from '../wire/frontend';
import type { Arrived } from './inbox';
import type { Backend } from './backend';
import { type Command, commandOf, statementsOf, tokenOf } from './command';
import { type Answer, Execution, columnsFor } from './execution';
import { Killed } from './interrupts';
import { SqlError } from './sql-error';

/** A prepared statement. */
export interface Statement {
  sql: string;
  command: Command;
}

interface Portal extends Statement {
  values: (string | null)[];
  answer?: Answer;
  /** How many of its rows are told. */
  told: number;
}

type Of<Is extends Asked['is']> = Extract<Asked, { is: Is }>;

export class Protocol {
  readonly #portals = new Map<string, Portal>();
  /** After an error everything up to the next Sync is passed over. */
  #isSkipping = false;

  constructor(private readonly backend: Backend) {}

  async handle(asked: Arrived): Promise<void> {
    switch (asked.is) {
      case 'startup':
        return this.#start();
      case 'query':
        return this.#query(asked.sql);
      case 'sync':
        this.#isSkipping = false;
        return this.#ready();
      case 'parse':
      case 'bind':
      case 'describe':
      case 'execute':
      case 'close':
        return this.#step(asked);
      case 'flush':
        return this.backend.out.flush();
      default:
        throw new SqlError('08P01', `not simulated: message ${asked.is}`, 'FATAL');
    }
  }

  async #start(): Promise<void> {
    const { backend } = this;
    await backend.running(async () => {
      await this.#spring('startup', 'before');
    });
    backend.out.say(say.authenticationOk);
    for (const [name, value] of Object.entries(backend.server.introduced(backend)))
      backend.out.say(say.parameterStatus(name, value));
    backend.out.say(say.backendKeyData(backend.pid, backend.key));
    return this.#ready();
  }

  /** A script: what comes after a statement that fails is not run. */
  async #query(sql: string): Promise<void> {
    try {
      for (const part of statementsOf(sql)) {
        const answer = await this.#run({ sql: part, command: commandOf(part) }, []);
        if (answer.columns) this.backend.out.say(say.rowDescription(answer.columns));
        this.#tell(answer, answer.rows?.length ?? 0);
      }
    } catch (error) {
      await this.#failed(error);
    }
    return this.#ready(sql);
  }

  async #step(asked: Of<'parse' | 'bind' | 'describe' | 'execute' | 'close'>): Promise<void> {
    if (this.#isSkipping) return;
    try {
      if (asked.is === 'execute') await this.#execute(asked);
      else this.#prepare(asked);
    } catch (error) {
      this.#isSkipping = true;
      await this.#failed(error);
    }
  }

  #prepare(asked: Of<'parse' | 'bind' | 'describe' | 'close'>): void {
    const { backend } = this;
    if (asked.is === 'parse') {
      backend.statements.set(asked.name, { sql: asked.sql, command: commandOf(asked.sql) });
      backend.out.say(say.parseComplete);
    } else if (asked.is === 'bind') {
      const statement = backend.statements.get(asked.statement);
      if (!statement) throw new SqlError('26000', `prepared statement "${asked.statement}" does not exist`);
      this.#portals.set(asked.portal, { ...statement, values: asked.values, told: 0 });
      backend.out.say(say.bindComplete);
    } else if (asked.is === 'describe') {
      const described = asked.what === 'P' ? this.#portals.get(asked.name) : backend.statements.get(asked.name);
      const columns = described && columnsFor(described.command);
      backend.out.say(columns ? say.rowDescription(columns) : say.noData);
    } else {
      if (asked.what === 'P') this.#portals.delete(asked.name);
      backend.out.say(say.closeComplete);
    }
  }

  async #execute({ portal: name, rows }: Of<'execute'>): Promise<void> {
    const portal = this.#portals.get(name);
    if (!portal) throw new SqlError('34000', `portal "${name}" does not exist`);
    portal.answer ??= await this.#run(portal, portal.values);
    const left = (portal.answer.rows?.length ?? 0) - portal.told;
    this.#tell(portal.answer, rows > 0 && rows < left ? rows : left, portal);
  }

  #tell(answer: Answer, count: number, portal?: Portal): void {
    const { backend } = this;
    const from = portal?.told ?? 0;
    const rows = answer.rows ?? [];
    for (const row of rows.slice(from, from + count)) backend.out.say(say.dataRow(row));
    if (portal) portal.told += count;
    if (answer.warning) backend.out.say(say.noticeResponse({ severity: 'WARNING', ...answer.warning }));
    if (from + count < rows.length) backend.out.say(say.portalSuspended);
    else backend.out.say(answer.tag === '' ? say.emptyQuery : say.commandComplete(answer.tag));
  }

  async #run({ sql, command }: Statement, values: (string | null)[]): Promise<Answer> {
    const { backend } = this;
    const token = tokenOf(sql);
    const answer = await backend.running(async () => {
      await this.#spring(command.is, 'before');
      const inside = backend.transaction;
      const result = await new Execution(backend, command, values, token).run();
      backend.server.executed(backend, sql, token, backend.transaction ?? inside);
      return result;
    });
    await this.#spring(command.is, 'before its answer');
    return answer;
  }

  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof SqlError) || error.severity === 'FATAL') throw error;
    const { backend } = this;
    backend.server.failed(backend, error);
    backend.out.say(say.errorResponse({ severity: 'ERROR', code: error.code, message: error.message }));
    backend.out.flush();
    if (backend.transaction?.isExplicit) backend.transaction.hasFailed = true;
    else backend.rollBack();
    await backend.pause(0.05);
  }

  /** What is not in a transaction block is stored by itself. */
  async #ready(sql = ''): Promise<void> {
    const { backend } = this;
    if (backend.transaction && !backend.transaction.isExplicit) await backend.commit();
    const { transaction } = backend;
    backend.out.say(say.readyForQuery(transaction ? (transaction.hasFailed ? 'E' : 'T') : 'I'));
    if (!transaction?.isExplicit) this.#portals.clear();
    const kind = commandOf(sql).is;
    if (backend.server.ambushes.spring(kind, 'in its answer')) {
      backend.out.flushHalf();
      throw new Killed();
    }
    backend.out.flush();
    await this.#spring(kind, 'after');
  }

  async #spring(what: string, when: 'before' | 'before its answer' | 'after'): Promise<void> {
    const effect = this.backend.server.ambushes.spring(what, when);
    if (effect) await this.backend.server.suffer(effect, this.backend);
  }
}
