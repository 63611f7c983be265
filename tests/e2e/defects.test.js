// The originals' defects (section 12 of the reference) that data.test.js does not show by their number: ours must do better. Those of
// their clients (21, 23) are in bindings/node/test and tests/unit/test_reconnect.c; 22 is in tests/unit/test_scale.c.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');

let server;
const open = [];
test.before(async () => { server = await Server.start(); });
test.after(async () => {
  await Promise.all(open.map((client) => client.disconnect()));
  await server.stop();
});
const connect = async (generation, port = server.port) => {
  const client = await Client.connect(generation, port);
  if (port === server.port) open.push(client);
  return client;
};

/** A connection that speaks one protocol by hand: ask(message) resolves with the answer to it. */
async function speak(protocol) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/primus`);
  const waiting = new Map();
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    const id = message.eventId ?? (message._meta && message._meta.eventId);
    if (waiting.has(id)) waiting.get(id)(message);
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  let last = 0;
  const ask = (message) => new Promise((resolve) => {
    const eventId = ++last;
    waiting.set(eventId, resolve);
    socket.send(JSON.stringify({ ...message, eventId }));
  });
  await ask({ action: 'configure-session', data: { protocol, browser: false } });
  return { ask, close: () => socket.close() };
}
const failure = (answer) => answer.error || (answer._meta && answer._meta.error);

for (const protocol of ['happn', 'happn_2', 'happn_3', 'happn_4']) {
  test(`${protocol}: what cannot be done is answered, never left open (1), with its real cause (8)`, async () => {
    const { ask, close } = await speak(protocol);
    for (const [message, cause] of [
      [{ action: 'set', path: '/a/*', data: {} }, /Bad path|wildcard|\*/],
      [{ action: 'set', path: 5, data: {} }, /Bad path \[5\], must be a string/],
      [{ action: 'get', path: null }, /must be a string/],
      [{ action: 'set', path: '/a', data: {}, options: { consistency: 'much' } }, /consistency/],
      [{ action: 'get', path: '/a/*', options: { criteria: { n: { $near: 1 } } } }, /\$near/],
      [{ action: 'set', path: '/a', data: { n: 1 }, options: { tag: 5, targetClients: 'x' } }, /targetClients|tag/],
      [{ action: 'fly', path: '/a' }, /fly/],
    ]) {
      const error = failure(await ask(message));
      assert.ok(error, JSON.stringify(message));
      assert.match(typeof error === 'string' ? error : error.message, cause);
      assert.doesNotMatch(JSON.stringify(error), /doGet failed|doStore failed|processPublish failed|subscribe failed/);
    }
    const answer = await ask({ action: 'set', path: '/a', data: {}, options: { consistency: 4 } });
    assert.equal(failure(answer) ?? null, null, 'there is no level 4: it is as without');
    close();
  });
}

for (const generation of ['6', '8', '13']) { // the client of 1.13 itself asks for the end of what it takes for the same path
  test(`${generation}: offPath means exactly this path: other cases and doubled characters are others (10)`, async () => {
    const client = await connect(generation);
    const [upper, lower, doubled] = [new Events(), new Events(), new Events()];
    const base = `/case${generation}`;
    await client.on(`${base}/Aa`, {}, upper.handler);
    await client.on(`${base}/aa`, {}, lower.handler);
    await client.on(`${base}/aaa`, {}, doubled.handler);
    await client.offPath(`${base}/aa`);
    await client.set(`${base}/aa`, { n: 0 });
    await client.set(`${base}/Aa`, { n: 1 });
    await client.set(`${base}/aaa`, { n: 2 });
    assert.equal((await upper.next()).data.n, 1);
    assert.equal((await doubled.next()).data.n, 2);
    assert.equal(lower.items.length, 0);
  });
}

test('an unknown type of event is refused by name, a wildcard within a segment matches where the client says so (12)', async () => {
  const { ask, close } = await speak('happn_4');
  const error = failure(await ask({ action: 'on', path: '/SETT@/a' }));
  assert.ok(error, 'an unknown event type');
  const client = await connect('13');
  const events = new Events();
  await client.on('/part/b*', { wildcard: 'string' }, events.handler);
  await client.set('/part/bc', { n: 1 });
  assert.equal((await events.next()).data.n, 1);
  close();
});

test('created, modified and modifiedBy are what they were after a restart; what a client gets is its own copy (20)', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  const args = ['--set', `services.data.config.filename="${folder}/happn.db"`];
  let mine = await Server.start(args);
  let client = await connect('13', mine.port);
  await client.set('/kept', { n: 1 });
  await client.set('/kept', { n: 2 });
  const before = (await client.get('/kept'))._meta;
  assert.ok(before.modified >= before.created);
  const got = await client.get('/kept');
  got.n = 99;
  assert.equal((await client.get('/kept')).n, 2);
  await client.disconnect();
  await mine.stop();
  mine = await Server.start(args);
  client = await connect('13', mine.port);
  const after = (await client.get('/kept'))._meta;
  assert.deepEqual([after.created, after.modified, after.modifiedBy], [before.created, before.modified, before.modifiedBy]);
  await client.disconnect();
  await mine.stop();
  fs.rmSync(folder, { recursive: true });
});
