// Builders: how each is made, its SQL, and what runs it.

/** Runs one builder: a query, a schema change, a raw statement. */
export interface Runner {
  run(): Promise<unknown>;
}

const MAKERS = ['queryBuilder', 'schemaBuilder', 'raw'] as const;

type Makers = Record<(typeof MAKERS)[number], (...args: unknown[]) => object>;

/** Tells of each builder that is made from now on. Builders are not touched otherwise: knex shows their making in its own stack traces. */
export function watchBuilders(prototype: object, made: (builder: object, entry: unknown) => void): void {
  const knexClass = Object.getPrototypeOf(prototype) as Makers;
  for (const name of MAKERS) {
    const make = knexClass[name];
    const watched = function (this: object, ...args: unknown[]) {
      const builder = make.apply(this, args);
      made(builder, watched);
      return builder;
    };
    Object.defineProperty(prototype, name, { value: watched, configurable: true, writable: true });
  }
}

/** The SQL of a builder, without its bindings. */
export function sqlOf(builder: unknown): string | undefined {
  try {
    const compiled = (builder as { toSQL(): { sql?: string } | { sql?: string }[] }).toSQL();
    return Array.isArray(compiled) ? compiled.map(({ sql }) => sql).join('; ') : compiled.sql;
  } catch {
    return undefined;
  }
}
