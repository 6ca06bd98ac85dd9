// Who listens to a connection of SQLite, which tells nobody of its end. Of two instances one may have lent it to the other: both hear of it.
import type { StatementSink } from '../statement-sink';

const sinks = new WeakMap<object, readonly StatementSink[]>();

/** Returns how to leave. */
export function addSink(connection: object, sink: StatementSink): () => void {
  sinks.set(connection, [...sinksOf(connection), sink]);
  return () => {
    const others = sinksOf(connection).filter((each) => each !== sink);
    sinks.set(connection, others);
  };
}

function sinksOf(connection: object): readonly StatementSink[] {
  return sinks.get(connection) ?? [];
}

export function tellEnded(connection: object): void {
  for (const sink of sinksOf(connection)) sink.ended(true);
}

/** Puts a method in the place of the connection's. Returns how to undo that: another tap below it stays. */
export function replaceMethod<C extends object, K extends keyof C>(connection: C, name: K, method: C[K]): () => void {
  const earlier = Object.hasOwn(connection, name) ? connection[name] : undefined;
  connection[name] = method;
  return () => {
    if (earlier === undefined) delete (connection as Partial<C>)[name];
    else connection[name] = earlier;
  };
}
