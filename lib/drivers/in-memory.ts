// Tells which SQLite databases exist only as long as their connection.

const IN_MEMORY = /^(:memory:)?$|^file:(:memory:)?(\?|$)|^file:.*[?&]mode=memory(&|$)/;

/** SQLite calls the one without a name temporary, be it on disk or not. */
export function isInMemory(filename: string): boolean {
  return IN_MEMORY.test(filename.trim());
}
