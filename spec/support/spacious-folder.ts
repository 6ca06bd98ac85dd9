// Where a server's data is put: in memory where there is enough of it.
import fs from 'node:fs';
import os from 'node:os';

const roomNeeded = 512 * 1024 * 1024;

/** PG_TMP if set; else memory where there is enough of it (containers often give 64 MB); else the temp folder. */
export function spaciousFolder(): string {
  if (process.env.PG_TMP) return process.env.PG_TMP;
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    const { bavail, bsize } = fs.statfsSync('/dev/shm');
    return bavail * bsize >= roomNeeded ? '/dev/shm' : os.tmpdir();
  } catch {
    return os.tmpdir(); // not every system has one
  }
}
