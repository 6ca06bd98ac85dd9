// What the specs of the MySQL drivers play on: a MariaDB server, a database and a user on it, and what the server says of them.
import type { Knex } from 'knex';
import mysql from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2';
import type { ResettableOptions } from '../../lib';
import { Instances, type ResettableKnex } from './instances';
import { MariadbServer } from './mariadb-server';
import { makeKnex } from './quiet-knex';
import { until } from './until';

export type { ResettableKnex } from './instances';

interface Process extends RowDataPacket {
  id: number;
  info: string | null;
}

/** Opens one before the specs of a suite, clears it after each, and closes it. */
export function useMysqlStage(settings?: Record<string, string>): MysqlStage {
  const stage = new MysqlStage();
  before(() => stage.open(settings));
  afterEach(() => stage.clear());
  after(() => stage.close());
  return stage;
}

export class MysqlStage {
  readonly database = 'spec';
  #server!: MariadbServer;
  #root!: mysql.Connection;
  readonly #instances = new Instances();

  /** @param settings options of mariadbd */
  async open(settings: Record<string, string> = {}): Promise<void> {
    // Another character set than the one that the clients ask for, so that forgetting it shows.
    this.#server = await MariadbServer.create({ 'character-set-server': 'latin1', ...settings });
    this.#root = await mysql.createConnection(this.#server.root);
    for (const sql of [
      `create database ${this.database}`,
      "create user spec@'%' identified by 'secret'",
      `grant all on ${this.database}.* to spec@'%'`,
      `create table ${this.database}.t (id int primary key, value int not null default 0) engine innodb`,
    ])
      await this.#root.query(sql);
  }

  async close(): Promise<void> {
    await this.#root?.end();
    await this.#server?.dispose();
  }

  /** Ends the instances made since the last time, and what they could not end on the server; takes writes again, and empties the table. */
  async clear(): Promise<void> {
    await this.#instances.end();
    await this.rows('set global read_only = 0');
    for (const { id } of await this.processes()) await this.kill(id);
    await this.rows('delete from t');
  }

  get connection() {
    return { host: '127.0.0.1', port: this.#server.port, user: 'spec', password: 'secret', database: this.database };
  }

  knex(client: string, config: Knex.Config = {}): Knex {
    return this.#instances.plain(makeKnex(this.connection, { client, ...config }));
  }

  resettable(client: string, config: Knex.Config = {}, options?: ResettableOptions): ResettableKnex {
    return this.#instances.resettable(this.knex(client, config), options);
  }

  /** Runs a statement as root, on a connection that no instance has. */
  async rows(sql: string): Promise<RowDataPacket[]> {
    await this.#root.query(`use ${this.database}`);
    const [rows] = await this.#root.query<RowDataPacket[]>(sql);
    return rows;
  }

  /** The server's threads for our user. */
  async processes(): Promise<Process[]> {
    const [rows] = await this.#root.query<Process[]>(
      "select id, info from information_schema.processlist where user = 'spec' order by id",
    );
    return rows;
  }

  /** Resolves when the server has no session of a spec. One that said goodbye, or was killed, closes its socket before the server forgets it. */
  async whenDeserted(): Promise<void> {
    await until('the server has forgotten each session', async () => (await this.processes()).length === 0);
  }

  /** How many transactions are open. InnoDB answers from a cache, which it keeps for 100 ms after each look: to look again sooner prolongs it. */
  async transactions(): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 110));
    const [row] = await this.rows('select count(*) as open from information_schema.innodb_trx');
    return Number(row?.open);
  }

  /** Resolves with the threads that run a statement with this in it. */
  running(sql: string): Promise<number[]> {
    return until(`"${sql}" runs on the server`, async () => {
      const ids = (await this.processes()).filter(({ info }) => info?.includes(sql)).map(({ id }) => id);
      return ids.length > 0 ? ids : undefined;
    });
  }

  async kill(id: number): Promise<void> {
    await this.#root.query(`kill ${id}`).catch(() => {}); // it may have gone by itself
    await until(`thread ${id} is gone`, async () => (await this.processes()).every((each) => each.id !== id));
  }
}
