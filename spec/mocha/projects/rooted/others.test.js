// More files than workers, so that one of them gets two.
const { db } = require('./db');

before(() => db.raw('select 1'));

for (const id of [1, 2, 3]) {
  it(`other ${id}`, async () => {
    await db.transaction((trx) => trx('t').insert({ id: 1000 + id }));
    await db('t')
      .where({ id: 1000 + id })
      .delete();
  });
}
