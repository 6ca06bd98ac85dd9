// What a cluster needs for TLS and SCRAM: a certificate that it signed itself, and rules for who may come in how.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** The superuser looks on without a password. Others need one, with TLS or, through a proxy that reads what is sent, without. */
const RULES = `
local   all postgres               trust
host    all postgres 127.0.0.1/32  trust
local   all all                    scram-sha-256
hostssl all all      127.0.0.1/32  scram-sha-256
host    all all      127.0.0.1/32  scram-sha-256
host    replication postgres 127.0.0.1/32 trust
`;

export function secure(dataFolder: string): void {
  const [key, certificate] = ['server.key', 'server.crt'].map((name) => path.join(dataFolder, name)) as [
    string,
    string,
  ];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const flags = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', ...flags, ...subject], { stdio: ['ignore', 'ignore', 'pipe'] });
  fs.chmodSync(key, 0o600);
  fs.writeFileSync(path.join(dataFolder, 'pg_hba.conf'), RULES);
}
