// That every example of the README and docs/ compiles, that those which can run do, and that they send and print what is shown beside them.
import { format } from 'node:util';
import { expect } from 'chai';
import type { FaultProxy } from '../support/fault-proxy';
import { useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';
import { ExampleFiles, nameOf } from './example-files';
import { EMPTY, TABLES } from './prelude';
import {
  type Block,
  blocksOf,
  complaintOf,
  documents,
  type Example,
  examplesOf,
  sameEveryRun,
  statements,
} from './readme-text';

describe('the examples of the README and docs/', () => {
  const stage = useStage();
  const blocks = documents.map((document) => blocksOf(document));
  const examples = blocks.flatMap((each) => examplesOf(each));
  let files: ExampleFiles;
  let complaints: Map<string, string[]>;
  let proxy: FaultProxy;
  let transcript: WireTranscript;

  before(async function () {
    this.timeout(60_000);
    files = new ExampleFiles(examples);
    complaints = await files.check();
    await stage.database.query(TABLES);
  });
  after(() => files.remove());
  beforeEach(async () => {
    await stage.database.query(EMPTY);
    proxy = await stage.proxy();
    transcript = new WireTranscript(proxy);
  });

  async function run(example: Example): Promise<string[]> {
    const printed: string[] = [];
    const console = { log: (...args: unknown[]) => void printed.push(format(...args)) };
    const db = stage.resettable({ through: proxy });
    await db.raw('select 0'); // the connection is open, and knex has asked for the version
    transcript.clear();
    const serverUrl = process.env.DATABASE_URL;
    const url = new URL(stage.database.url);
    url.host = `127.0.0.1:${proxy.port}`;
    process.env.DATABASE_URL = url.href;
    try {
      const used = await files.run(example, { db, console, sendMail: async () => {} });
      if (used.db !== db) await used.db.destroy();
    } finally {
      process.env.DATABASE_URL = serverUrl;
    }
    return printed;
  }

  it('are there', () => {
    expect(examples.filter(({ mode }) => mode).length).to.be.greaterThan(10);
  });

  it('have all the SQL that is shown beside them', () => {
    const beside = new Set<Block | undefined>(examples.map(({ sql }) => sql));
    for (const block of blocks.flat().filter(({ language }) => language === 'sql')) {
      expect(beside.has(block), `${block.file}:${block.line} is not the transcript of an example`).to.equal(true);
    }
  });

  for (const example of examples) {
    const { file, line, mode, sql, prints } = example;
    describe(`in ${file}:${line}`, () => {
      it('has a comment before it that says how it is checked', () => {
        expect(complaintOf(example)).to.equal(undefined);
      });

      it('compiles', () => {
        expect(complaints.get(nameOf(example)) ?? []).to.deep.equal([]);
        expect(complaints.get('') ?? []).to.deep.equal([]);
      });

      if (!mode) return;
      it(`runs${sql ? ', and sends what is shown' : ''}${prints ? ', and prints what is shown' : ''}`, async () => {
        const printed = await run(example);
        if (sql) expect(statements(transcript.sql)).to.deep.equal(statements(sql.code.split('\n')));
        if (prints) expect(sameEveryRun(printed.join('\n'))).to.equal(sameEveryRun(prints.code));
      });
    });
  }
});
