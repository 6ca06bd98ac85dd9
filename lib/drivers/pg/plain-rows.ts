// How rows of this package's own statements are read on PostgreSQL, whatever type parsers the user has set, for all connections or for one.

type Parse = (value: string | Buffer) => unknown;

const BOOL = 16;
const INT2 = 21;
const INT4 = 23;

const FROM_TEXT: Readonly<Record<number, Parse>> = { [BOOL]: (value) => value === 't', [INT2]: Number, [INT4]: Number };
/** Where the user has asked `pg` for it, a statement with bindings or a name is answered so. */
const FROM_BINARY: Readonly<Record<number, Parse>> = { [BOOL]: (value) => value[0] === 1 };

/** What a query config of `pg` takes beside its text. */
export const PLAIN_ROWS = {
  types: {
    getTypeParser: (type: number, format?: string): Parse =>
      (format === 'binary' ? FROM_BINARY : FROM_TEXT)[type] ?? String,
  },
};
