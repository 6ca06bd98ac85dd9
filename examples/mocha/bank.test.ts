// The app's tests. All use the same owners; none cleans up. The last but one finds the app's bug.
import assert from 'node:assert/strict';
import { balanceOf, close, letters, open, transfer } from './bank';

describe('the bank', () => {
  beforeEach(async () => {
    await open('ann', 100);
    await open('bob', 100);
    letters.length = 0;
  });

  it('transfers, and writes a letter', async () => {
    await transfer('ann', 'bob', 30);
    assert.deepEqual([await balanceOf('ann'), await balanceOf('bob')], [70, 130]);
    assert.deepEqual(letters, ['ann paid 30 to bob']);
  });

  it('starts with the same balances again', async () => {
    assert.deepEqual([await balanceOf('ann'), await balanceOf('bob')], [100, 100]);
  });

  it('refuses to overdraw, and undoes the other half', async () => {
    await assert.rejects(transfer('ann', 'bob', 1000), { code: '23514' });
    assert.deepEqual([await balanceOf('ann'), await balanceOf('bob')], [100, 100]);
    assert.deepEqual(letters, []);
  });

  it('refuses a second account, and the test goes on', async () => {
    await assert.rejects(open('ann', 1), { code: '23505' });
    assert.equal(await balanceOf('ann'), 100);
  });

  it('closes accounts side by side', async () => {
    await Promise.all([close('ann'), close('bob')]);
    assert.deepEqual([await balanceOf('ann'), await balanceOf('bob')], [undefined, undefined]);
  });

  it('closes no account that is not there', async () => {
    await close('nobody');
  });

  it('is not hurt by the test before', async () => {
    await transfer('bob', 'ann', 50);
    assert.equal(await balanceOf('ann'), 150);
  });
});
