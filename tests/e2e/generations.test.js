// The clients of every generation, as they come from npm, at the same time on one server.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');

const all = ['1', '6', '8', '13'];
// Some generations' packages change Object.prototype: only the content counts.
const same = (actual, expected) => assert.equal(JSON.stringify(actual), JSON.stringify(expected));
const strip = (object) => {
  const { _meta, ...rest } = object;
  return rest;
};

for (const generation of all) {
  test(`a client of ${generation}`, async (t) => {
    const server = await Server.start();
    const client = await Client.connect(generation, server.port);
    const other = await Client.connect(generation, server.port);

    await t.test('sets and gets', async () => {
      const stored = await client.set('/a/b', { x: 1, text: 'é\u2028' });
      same(strip(stored), { x: 1, text: 'é\u2028' });
      assert.equal(stored._meta.path, '/a/b');
      assert.equal(typeof stored._meta.created, 'number');
      same(strip(await other.get('/a/b')), { x: 1, text: 'é\u2028' });
      assert.equal(await other.get('/a/none'), null);
    });

    await t.test('wraps what is not an object', async () => {
      same(strip(await client.set('/a/list', [1, 2])), { value: [1, 2] });
      same(strip(await client.set('/a/text', 'hello')), { value: 'hello' });
      assert.equal((await other.get('/a/text')).value, 'hello');
    });

    await t.test('merges', async () => {
      await client.set('/m', { a: 1, b: { c: 1 } });
      await client.set('/m', { b: { d: 2 }, e: null }, { merge: true });
      same(strip(await other.get('/m')), { a: 1, b: { d: 2 }, e: null });
    });

    await t.test('lists by wildcard, and paths', async () => {
      for (let i = 0; i < 5; i++) await client.set(`/list/${i}`, { i });
      const found = await other.get('/list/*');
      same(found.map((item) => item.i), [0, 1, 2, 3, 4]);
      const paths = await other.getPaths('/list/*');
      same(paths.map((item) => item._meta.path || item.path), ['/list/0', '/list/1', '/list/2', '/list/3', '/list/4']);
    });

    await t.test('hears sets and removes, until off', async () => {
      const events = new Events();
      const handle = await other.on('/e/*', {}, events.handler);
      await client.set('/e/1', { n: 1 });
      const set = await events.next();
      assert.equal(set.data.n, 1);
      assert.equal(set.meta.path, '/e/1');
      assert.match(set.meta.action, /^\/SET@/);
      await client.remove('/e/1');
      const removed = await events.next();
      assert.match(removed.meta.action, /^\/REMOVE@/);
      await other.off(handle);
      await client.set('/e/2', { n: 2 });
      await other.on('/e/*', { event_type: 'set' }, events.handler);
      await client.set('/e/3', { n: 3 });
      assert.equal((await events.next()).data.n, 3);
      await other.offPath('/e/*');
      await other.on('/e/*', {}, events.handler);
      await other.offAll();
      await client.set('/e/4', { n: 4 });
      const last = new Events();
      await other.on('/last', {}, last.handler);
      await client.set('/last', { done: true });
      await last.next();
      same(events.items, []);
    });

    await t.test('noPublish is silent, noStore leaves nothing', async () => {
      const events = new Events();
      await other.on('/quiet/*', {}, events.handler);
      await client.set('/quiet/1', { a: 1 }, { noPublish: true });
      await client.set('/quiet/2', { a: 2 }, { noStore: true });
      assert.equal((await events.next()).data.a, 2);
      assert.equal((await client.get('/quiet/1')).a, 1);
      assert.equal(await client.get('/quiet/2'), null);
      await other.offAll();
    });

    await t.test('is told what is wrong', async () => {
      // what the client itself lets through differs by generation: this goes to the server in all of them
      await assert.rejects(call404(client), /unauthorized|path/i);
    });

    await t.test('comes back after the server was away, and hears again', async () => {
      const events = new Events();
      await other.on('/back/*', {}, events.handler);
      const port = server.port;
      const back = new Promise((resolve) => other.inner.onEvent('reconnect-successful', resolve));
      const back2 = new Promise((resolve) => client.inner.onEvent('reconnect-successful', resolve));
      await server.stop();
      server.args[server.args.indexOf('--port') + 1] = String(port);
      await server.launch();
      await Promise.all([back, back2]);
      await client.set('/back/1', { again: true });
      assert.equal((await events.next()).data.again, true);
    });

    await client.disconnect();
    await other.disconnect();
    await server.stop();
  });
}

function call404(client) {
  return client.set('/_SYSTEM/x', { a: 1 });
}

test('all generations meet on the same documents', async () => {
  const server = await Server.start();
  const clients = [];
  for (const generation of all) clients.push(await Client.connect(generation, server.port));
  for (const sender of clients) {
    const heard = clients.map(() => new Events());
    for (const [i, client] of clients.entries()) await client.on('/meet/*', {}, heard[i].handler);
    await sender.set('/meet/here', { from: sender.generation });
    for (const events of heard) {
      const event = await events.next();
      assert.equal(event.data.from, sender.generation);
      assert.equal(event.meta.path, '/meet/here');
    }
    for (const client of clients) await client.offAll();
  }
  for (const client of clients) await client.disconnect();
  await server.stop();
});
