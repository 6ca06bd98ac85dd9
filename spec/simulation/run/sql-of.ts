// The SQL of the workload's statements: each is named by its token.
import type { Statement } from '../schedule/schedule';

export interface Text {
  sql: string;
  bindings: number[];
}

/** @param token what the statement stores, or gives back */
export function sqlOf({ ask, number, hasBindings }: Statement, token: number): Text {
  const value = hasBindings ? '?' : String(token);
  const bindings = hasBindings ? [token] : [];
  const named = (sql: string, values = bindings): Text => ({ sql: `${sql} /*t${token}*/`, bindings: values });
  switch (ask) {
    case 'insert':
      return named(`insert into entries (token) values (${value}) returning token`);
    case 'insert key':
      return named(`insert into entries (token, key) values (${value}, 'k${number}') returning token`);
    case 'update':
      return named(`update slots set token = ${value} where slot = ${number} returning token`);
    case 'select':
      return named(`select ${value} as token`);
    case 'sleep':
      return named(`select ${value} as token, pg_sleep(${number / 1000})`);
    case 'divide':
      return named(`select ${number}/0 as token`, []);
    case 'series':
      return named(`select generate_series(1, ${number}) as n`, []);
  }
}

export function isWrite({ ask }: Statement): boolean {
  return ask === 'insert' || ask === 'insert key' || ask === 'update';
}
