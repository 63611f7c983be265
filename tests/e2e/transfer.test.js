// Moving in and out: files that real happn-3 servers wrote, exports, and backups of a server at work.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');
const { same } = require('./support/everybody');

const program = process.env.HAPPN_PROGRAM || `${__dirname}/../../build/asan/happn`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-transfer-'));
const at = (name) => path.join(folder, name);
test.after(() => fs.rmSync(folder, { recursive: true }));
const happn = (...args) => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
};

for (const generation of ['6', '8', '13']) {
  test(`what a server of ${generation} wrote is there after an import`, async () => {
    const source = at(`original-${generation}`);
    const original = spawnSync(process.execPath, [`${__dirname}/support/original.js`, generation, source], { encoding: 'utf8' });
    assert.equal(original.status, 0, original.stderr);
    const held = JSON.parse(original.stdout);
    const database = at(`${generation}.db`);
    const imported = happn('import', '--db', database, '--json', source);
    assert.equal(imported.status, 0, imported.stderr);
    assert.equal(JSON.parse(imported.stdout).rejected, 0);
    const server = await Server.start(['--file', database]);
    const client = await Client.connect(generation, server.port);
    const found = await client.get('*');
    let compared = 0;
    for (const item of found) {
      const { _meta, ...data } = item;
      const before = held[_meta.path];
      assert.ok(before, `${_meta.path} was not there`);
      same(data, before.data, _meta.path);
      assert.equal(_meta.created, before.created, _meta.path);
      if (generation !== '13') assert.equal(_meta.modified, before.modified, _meta.path);
      assert.equal(_meta.tag, before.tag);
      compared++;
    }
    assert.equal(compared, Object.keys(held).filter((each) => !each.startsWith('/_SYSTEM')).length);
    await client.disconnect();
    await server.stop();
  });
}

test('export, import, export: the same bytes', () => {
  const [one, two] = [at('one.jsonl'), at('two.jsonl')];
  assert.equal(happn('export', '--db', at('6.db'), one).status, 0);
  assert.equal(happn('import', '--db', at('again.db'), one).status, 0);
  assert.equal(happn('export', '--db', at('again.db'), two).status, 0);
  assert.ok(fs.readFileSync(one).length > 500);
  assert.ok(fs.readFileSync(one).equals(fs.readFileSync(two)));
  assert.match(happn('export', '--db', at('6.db'), one).stderr, /is there already\n {2}--force/);
  const some = happn('export', '--db', at('6.db'), '--path', '/many/*', '--quiet', '-').stdout.trim().split('\n');
  assert.equal(some.length, 5);
});

test('what cannot be taken is told with its line, the rest is in', async () => {
  const lines = ['{"path":"/ok","data":{"a":1},"created":5,"modified":6}', 'not json', '{"data":{}}', '{"path":"/x","data":5}', '[]',
    `{"path":"/${'x'.repeat(5000)}","data":{}}`, '{"path":"/n","data":{"a":1e400}}', '', '{"path":"/ok2","data":{}}'];
  fs.writeFileSync(at('bad.jsonl'), lines.join('\n'));
  const dry = happn('import', '--db', at('bad.db'), '--dry-run', at('bad.jsonl'));
  assert.equal(dry.status, 3);
  assert.ok(!fs.existsSync(at('bad.db')));
  const result = happn('import', '--db', at('bad.db'), '--json', '--rejects', at('rejects'), at('bad.jsonl'));
  assert.equal(result.status, 3);
  same(JSON.parse(result.stdout), { lines: 9, stored: 2, removed: 0, skipped: 0, rejected: 6, documents: 2 });
  for (const [line, reason] of [[2, /JSON/], [3, /no path/], [4, /not an object/], [5, /not an object/], [6, /must have 1 to/], [7, /double/]]) {
    assert.match(result.stderr.split('\n').find((text) => text.includes(`:${line}: rejected`)), reason);
  }
  assert.equal(fs.readFileSync(at('rejects'), 'utf8').trim().split('\n').length, 6);
  assert.match(happn('import', '--db', at('bad.db'), at('bad.jsonl')).stderr, /has 2 documents already\n {2}--add/);
  assert.equal(happn('import', '--db', at('bad.db'), '--add', at('bad.jsonl')).status, 3);
});

test('bad command lines and files say what to do', () => {
  assert.equal(happn('import', at('x')).status, 2);
  assert.match(happn('import', at('x')).stderr, /name it with --db FILE/);
  assert.equal(happn('export', '--db', at('none.db'), '-').status, 1);
  assert.match(happn('export', '--db', at('none.db'), '-').stderr, /there is no database/);
  assert.equal(happn('backup', '--db', at('none.db'), at('x')).status, 1);
  assert.match(happn('import', '--db', at('y.db'), at('nowhere')).stderr, /cannot read/);
  for (const command of ['import', 'export', 'backup']) assert.match(happn(command, '--help').stdout, /usage: happn/);
});

test('a server at work is backed up and exported as of one moment', async () => {
  const database = at('live.db');
  const server = await Server.start(['--file', database]);
  const client = await Client.connect('13', server.port);
  // Both documents always have the same number: one pipelined pair a transaction group, so a torn copy would show.
  let n = 0;
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      n++;
      await Promise.all([client.set('/pair/a', { n }), ...Array.from({ length: 30 }, (_, i) => client.set(`/filler/${n % 50}/${i}`, { text: 'x'.repeat(300) }))]);
    }
  })();
  for (let round = 0; round < 3; round++) {
    const until = n + 20;
    while (n < until) await new Promise(setImmediate);
    const child = spawn(program, ['backup', '--db', database, '--quiet', at(`copy-${round}`)], { stdio: 'inherit' });
    assert.equal((await once(child, 'exit'))[0], 0);
    const exporting = spawn(program, ['export', '--db', database, '--quiet', at(`live-${round}.jsonl`)], { stdio: 'inherit' });
    assert.equal((await once(exporting, 'exit'))[0], 0);
  }
  assert.match(happn('import', '--db', database, '--add', at('bad.jsonl')).stderr, /stop the server/);
  isOver = true;
  await writing;
  await client.disconnect();
  await server.stop();
  for (let round = 0; round < 3; round++) {
    const copied = happn('export', '--db', at(`copy-${round}`), '--quiet', '-').stdout.trim().split('\n').map((line) => JSON.parse(line));
    const exported = fs.readFileSync(at(`live-${round}.jsonl`), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    for (const documents of [copied, exported]) {
      const number = documents.find((item) => item.path === '/pair/a').data.n;
      assert.ok(number >= 20 * (round + 1) - 1);
      assert.ok(documents.length > 300);
    }
  }
  const again = await Server.start(['--file', at('copy-2')]);
  await again.stop();
});

test('an import that is killed leaves nothing half done', async () => {
  const source = at('large.jsonl');
  const lines = [];
  for (let n = 0; n < 60000; n++) lines.push(`{"path":"/l/${n}","data":{"n":${n}},"created":1,"modified":2}`);
  fs.writeFileSync(source, lines.join('\n'));
  const child = spawn(program, ['import', '--db', at('large.db'), source], { stdio: 'ignore' });
  while (!fs.existsSync(`${at('large.db')}-import`)) await new Promise(setImmediate);
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (!fs.existsSync(at('large.db'))) {
    const result = happn('import', '--db', at('large.db'), '--json', source);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(JSON.parse(result.stdout).documents, 60000);
  }
  assert.ok(!fs.existsSync(`${at('large.db')}-import`));
});

test('an export or a backup that is killed leaves nothing under its name, and is simply repeated', async () => {
  const lines = Array.from({ length: 100000 }, (_, n) => `{"path":"/k/${n}","data":{"text":"${'x'.repeat(200)}"},"created":1,"modified":2}`);
  fs.writeFileSync(at('kill.jsonl'), lines.join('\n'));
  assert.equal(happn('import', '--db', at('kill.db'), '--quiet', at('kill.jsonl')).status, 0);
  for (const command of ['export', 'backup']) {
    const target = at(`killed.${command}`);
    for (let isKilled = false; !isKilled;) { // it may have been faster
      const child = spawn(program, [command, '--db', at('kill.db'), '--force', target], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      while (!fs.existsSync(`${target}.part`) && child.exitCode === null) await new Promise(setImmediate);
      child.kill('SIGKILL');
      await exited;
      isKilled = fs.existsSync(`${target}.part`);
      assert.equal(fs.existsSync(target), !isKilled);
      if (!isKilled) fs.rmSync(target);
    }
    const again = happn(command, '--db', at('kill.db'), '--json', target);
    assert.equal(again.status, 0, again.stderr);
    assert.equal(JSON.parse(again.stdout).documents, lines.length);
    assert.deepEqual(fs.readdirSync(folder).filter((name) => name.startsWith(`killed.${command}`)), [`killed.${command}`]);
  }
  assert.ok(fs.readFileSync(at('killed.export'), 'utf8').endsWith('\n'));
});

test('an import counts what it has made: what is missing in the end is an error', () => {
  const take = (name, text) => {
    fs.writeFileSync(at(`${name}.jsonl`), text.join('\n'));
    return happn('import', '--db', at('counted.db'), '--add', '--json', at(`${name}.jsonl`));
  };
  const document = (where) => `{"path":"${where}","data":{}}`;
  const removed = (id) => `{"$$deleted":true,"_id":"${id}"}`;
  const first = take('counted', [document('/a'), document('/b'), document('/a'), removed('/b'), document('/c'), removed('/none')]);
  assert.equal(first.status, 0, first.stderr);
  same(JSON.parse(first.stdout), { lines: 6, stored: 4, removed: 1, skipped: 0, rejected: 0, documents: 2 });
  const sql = "CREATE TRIGGER thief AFTER INSERT ON documents WHEN new.path = '/stolen' BEGIN DELETE FROM documents WHERE path = '/stolen'; END";
  spawnSync('python3', ['-c', 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])', at('counted.db'), sql]);
  const second = take('stolen', [document('/d'), document('/stolen')]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /the database has 3 documents instead of 4/);
});

test('on a terminal each of them shows how far it is', () => {
  const pty = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
  const shown = (...args) => spawnSync('python3', ['-c', pty, program, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).stdout;
  assert.match(shown('import', '--db', at('shown.db'), at('kill.jsonl')), /\r20000 lines, \d+ stored, 0 rejected .*\r100000 lines/s);
  assert.match(shown('export', '--db', at('shown.db'), at('shown.jsonl')), /\r20000 documents .*\r100000 documents/s);
  assert.match(shown('backup', '--db', at('shown.db'), at('shown.copy')), /\r2000 pages/);
  assert.doesNotMatch(shown('export', '--db', at('shown.db'), '--quiet', '--force', at('shown.jsonl')), /documents/);
});
