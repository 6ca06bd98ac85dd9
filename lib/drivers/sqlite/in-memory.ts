// Tells which SQLite databases exist only as long as their connection.

const IN_MEMORY = /^(:memory:)?$|^file:(:memory:)?(\?|$)|^file:.*[?&]mode=memory(&|$)/;

/** SQLite calls a database without a name temporary, on disk or not. */
export function isInMemory(filename: string): boolean {
  return IN_MEMORY.test(filename.trim());
}
