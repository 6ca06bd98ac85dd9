// Chooses the driver by what knex calls it.
import type { Driver } from './driver';
import { otherDriver } from './other';
import { pgDriver } from './pg';

interface Client {
  driverName: string;
  driver: unknown;
  destroyRawConnection(connection: object): Promise<unknown>;
}

export function driverOf(client: Client): Driver<object> {
  switch (client.driverName) {
    case 'pg':
      return pgDriver as unknown as Driver<object>;
    default:
      return otherDriver(client, client.driverName);
  }
}
