// How the server is asked which session a statement runs in. Behind a pooler it is another one than the driver was told at login.

export const SESSION_ID = {
  postgres: 'select pg_backend_pid() as id',
  mysql: 'select connection_id() as id',
} as const;
