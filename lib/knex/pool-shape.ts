// What knex expects of the object in `client.pool`. Official since 3.3 (`connectionPool`), and all that it uses before.

export interface KnexPool {
  acquire(): { promise: Promise<object> };
  release(connection: object): boolean;
  destroy(): Promise<unknown>;
}
