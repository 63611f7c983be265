// What was acknowledged is there after kill -9.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const WebSocket = require('ws');
const { Client } = require('./support/clients');

const rounds = Number(process.env.HAPPN_KILL_ROUNDS || 100);

/** Sets without a pause over four paths' worth of keys; kills the server in the middle of its answers. */
function writeUntilKilled(server, round, acknowledged) {
  const enough = 50 + Math.floor(Math.random() * 2000);
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/primus`);
    const sent = new Map();
    let next = 1;
    let answered = 0;
    const set = () => {
      const [key, value] = [`/d/${next % 160}`, { round, i: next }];
      sent.set(next, [key, value]);
      socket.send(JSON.stringify({ action: 'set', eventId: next++, path: key, data: value }));
    };
    socket.on('open', () => {
      for (let i = 0; i < 64; i++) set();
    });
    socket.on('message', (data) => {
      const meta = JSON.parse(data.toString())._meta;
      assert.equal(meta.status, 'ok');
      acknowledged.set(...sent.get(meta.eventId));
      if (++answered === enough) server.child.kill('SIGKILL');
      else set();
    });
    socket.on('close', resolve);
    socket.on('error', reject);
  });
}

test(`acknowledged sets survive ${rounds} kill -9 under load`, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  const file = path.join(folder, 'documents.db');
  const acknowledged = new Map();
  for (let round = 0; round < rounds; round++) {
    const server = await Server.start(['--file', file]);
    await writeUntilKilled(server, round, acknowledged);
    await server.exited;
    const again = await Server.start(['--file', file]);
    const reader = await Client.connect('13', again.port);
    for (const [key, value] of acknowledged) {
      const found = await reader.get(key);
      assert.ok(found, `${key} is gone`);
      // what was on its way may have been written too, but nothing older may be there
      assert.ok(found.round > value.round || (found.round === value.round && found.i >= value.i), `${key} went back`);
    }
    await reader.disconnect();
    await again.stop();
  }
  fs.rmSync(folder, { recursive: true });
});

test('a second server on the same file is refused, with the reason', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  const file = path.join(folder, 'documents.db');
  const server = await Server.start(['--file', file]);
  await assert.rejects(Server.start(['--file', file]), /open in another program/);
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('files that may not grow are a clear error for who writes, and the server goes on', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  const args = ['--file', path.join(folder, 'documents.db')];
  const server = await Server.start(args, { fileBlocks: 2048 }); // a megabyte
  const client = await Client.connect('13', server.port);
  const text = 'x'.repeat(10000);
  let stored = 0;
  let refusal;
  for (; !refusal && stored < 1000; stored += refusal ? 0 : 1) {
    await client.set(`/grow/${stored}`, { n: stored, text }).catch((error) => { refusal = error; });
  }
  assert.match(refusal.message, /the store failed/);
  assert.equal(refusal.name, 'StoreFailed');
  assert.ok(stored > 30);
  assert.equal((await client.get('/grow/*')).length, stored);
  assert.equal((await client.get('/grow/0')).n, 0);
  assert.equal((await client.get(`/grow/${stored}`)), null);
  await client.disconnect();
  await server.stop();
  const again = await Server.start(args);
  const reader = await Client.connect('13', again.port);
  assert.equal((await reader.get('/grow/*')).length, stored);
  await reader.set('/grow/more', { n: 1 });
  await reader.disconnect();
  await again.stop();
  fs.rmSync(folder, { recursive: true });
});
