// More files than workers, so that one of them gets two.
const { db } = require('./db');

before(() => db.raw('select 1'));

for (const id of [1, 2, 3]) {
  it(`yet another ${id}`, async () => {
    await db.transaction((trx) => trx('t').insert({ id: 2000 + id }));
    await db('t')
      .where({ id: 2000 + id })
      .delete();
  });
}
