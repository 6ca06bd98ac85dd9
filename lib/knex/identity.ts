// Which clients belong together: those of an instance and its copies, and those of its transactions.
import { read } from '../words/foreign';

/**
 * What an instance shares with its copies and with no other instance, whatever pool they have: knex makes a logger for each,
 * and hands it on to copies and transactions.
 */
export function identityOf(client: object): object {
  const logger = read(client, 'logger');
  return typeof logger === 'object' && logger !== null ? logger : client;
}

/** Whether the client is that of a transaction. */
export function isOfTransaction(client: object): boolean {
  return read(client, 'transacting') === true;
}
