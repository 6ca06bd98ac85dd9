// How the server is asked for the session of a statement. Behind a pooler it is another session than the driver was told at login.

export const SESSION_ID = {
  postgres: 'select pg_backend_pid() as id',
  mysql: 'select connection_id() as id',
} as const;
