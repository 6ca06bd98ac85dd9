// What the server says: one function for each message of PostgreSQL's protocol that the simulated one sends.

export interface Column {
  name: string;
  /** The type's object id. */
  type: number;
}

export type Row = (string | null)[];

export interface ErrorFields {
  severity: 'ERROR' | 'FATAL' | 'PANIC' | 'WARNING';
  code: string;
  message: string;
}

const int16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

const text = (value: string) => Buffer.from(`${value}\0`, 'utf8');

function message(type: string, ...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(length), ...parts]);
}

export const authenticationOk = message('R', int32(0));
export const parseComplete = message('1');
export const bindComplete = message('2');
export const closeComplete = message('3');
export const noData = message('n');
export const portalSuspended = message('s');
export const emptyQuery = message('I');

export const parameterStatus = (name: string, value: string) => message('S', text(name), text(value));
export const backendKeyData = (pid: number, key: number) => message('K', int32(pid), int32(key));
export const readyForQuery = (status: 'I' | 'T' | 'E') => message('Z', Buffer.from(status, 'latin1'));
export const commandComplete = (tag: string) => message('C', text(tag));
export const parameterDescription = (types: number[]) => message('t', int16(types.length), ...types.map(int32));

export function rowDescription(columns: Column[]): Buffer {
  const fields = columns.map(({ name, type }) =>
    Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)]),
  );
  return message('T', int16(columns.length), ...fields);
}

export function dataRow(row: Row): Buffer {
  const values = row.map((value) => {
    if (value === null) return int32(-1);
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([int32(bytes.length), bytes]);
  });
  return message('D', int16(row.length), ...values);
}

function report(type: 'E' | 'N', { severity, code, message: words }: ErrorFields): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${code}`, `M${words}`].map(text);
  return message(type, ...fields, Buffer.from([0]));
}

export const errorResponse = (fields: ErrorFields) => report('E', fields);
export const noticeResponse = (fields: ErrorFields) => report('N', fields);
