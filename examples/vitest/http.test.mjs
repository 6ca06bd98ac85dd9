// Tests that run at the same time and share one server. Each has a sandbox of its own, which a header names.
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, test as base } from 'vitest';
import { makeApp } from './app.mjs';
import { db } from './db.mjs';

const sandboxes = new Map();
const app = makeApp(db);
const server = createServer((request, response) => {
  sandboxes.get(request.headers['x-sandbox']).run(() => app(request, response));
});

const test = base.extend({
  async api({ task }, use) {
    const sandbox = await db.openSandbox({ pinned: false });
    sandboxes.set(task.id, sandbox);
    const url = `http://127.0.0.1:${server.address().port}`;
    await use((method, body) => fetch(url, { method, body, headers: { 'x-sandbox': task.id } }));
    sandboxes.delete(task.id);
    const { transactions, queries } = await sandbox.close();
    if (transactions.length + queries.length > 0) throw new Error('the test left something open');
  },
});

beforeAll(() => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await db.destroy();
});

describe.concurrent('orders', () => {
  for (const item of ['book', 'pen', 'ink', 'desk'])
    test(`takes an order of a ${item} and shows no other test's`, async ({ api, expect }) => {
      const answer = await api('POST', JSON.stringify({ item }));
      expect(answer.status).toBe(201);
      expect(await (await api('GET')).json()).toEqual([item]);
    });

  test('takes an order of one thing once', async ({ api, expect }) => {
    const order = JSON.stringify({ item: 'book' });
    const answers = await Promise.all([api('POST', order), api('POST', order)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]));
    expect(await (await api('GET')).json()).toEqual(['book']);
  });
});
