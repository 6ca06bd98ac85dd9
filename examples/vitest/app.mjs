// Orders over HTTP. Each order leaves a job behind, which workers take from other connections once it is committed.
export function makeApp(db) {
  return async (request, response) => {
    try {
      const { status, body } = await answer(db, request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    } catch (error) {
      response.writeHead(error.code === '23505' ? 409 : 500).end(error.message);
    }
  };
}

async function answer(db, request) {
  if (request.method === 'GET') return { status: 200, body: await db('orders').pluck('item').orderBy('id') };
  const { item } = JSON.parse(await textOf(request));
  const order = await db.atomic(async (trx) => {
    const [inserted] = await trx('orders').insert({ item }).returning('*');
    await trx('jobs').insert({ order_id: inserted.id });
    return inserted;
  });
  return { status: 201, body: order };
}

/** Takes the oldest job that no other worker has, and does it. Resolves with the id of its order, or undefined where there is none. */
export async function work(db, send) {
  return db.atomic(async (trx) => {
    const job = await trx('jobs').orderBy('id').forUpdate().skipLocked().first();
    if (!job) return undefined;
    await send(job.order_id);
    await trx('jobs').where({ id: job.id }).delete();
    return job.order_id;
  });
}

async function textOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
