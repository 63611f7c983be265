// Several stores in one server: by path, memory beside files, and patterns that mean documents in all of them.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-stores-'));
test.after(() => fs.rmSync(folder, { recursive: true }));
const stores = (more = []) => JSON.stringify([
  { name: 'hot', provider: 'memory', patterns: ['/live/*', '/disk/*/now'], settings: { indexes: ['n'] } },
  { name: 'disk', settings: { filename: path.join(folder, 'disk.db') }, patterns: ['/disk/*'] },
  { name: 'rest', isDefault: true, settings: { filename: path.join(folder, 'rest.db'), durability: 'file' } },
  ...more,
]);
const start = () => Server.start(['--set', `services.data.config.datastores=${stores()}`]);
const paths = (items) => items.map((item) => item._meta.path).join(' ');

test('each path goes to its store, and patterns find everything in order', async () => {
  let server = await start();
  let client = await Client.connect('6', server.port);
  const events = new Events();
  await client.on('*', {}, events.handler);
  const all = ['/other', '/live/1', '/disk/1', '/disk/1/now', '/zz', '/disk/0', '/live/0'];
  for (const [n, each] of all.entries()) await client.set(each, { n });
  for (let n = 0; n < all.length; n++) assert.equal((await events.next()).data.n, n);
  assert.equal(paths(await client.get('*')), all.slice().sort().join(' '));
  assert.equal(paths(await client.get('/*', { criteria: { n: { $gte: 2 } }, options: { sort: { n: -1 }, skip: 1, limit: 3 } })), '/disk/0 /zz /disk/1/now');
  assert.equal(paths(await client.get('/disk/*')), '/disk/0 /disk/1 /disk/1/now');
  await client.disconnect();
  await server.stop();

  server = await start(); // what was in memory is gone
  client = await Client.connect('13', server.port);
  assert.equal(paths(await client.get('*')), '/disk/0 /disk/1 /other /zz');
  assert.equal((await client.inner.count('*')).value, 4);
  const why = await new Promise((resolve, reject) => client.inner.get('/disk/0', { explain: true }, (error, item) => (error ? reject(error) : resolve(item._meta.explain))));
  assert.equal(why.store, 'disk');
  assert.equal((await client.remove('/*', { criteria: { n: { $gt: 1 } } })).removed, 3);
  assert.equal(paths(await client.get('*')), '/other');
  await client.disconnect();
  await server.stop();
});

test('a session keeps its order across stores', async () => {
  const server = await start();
  const client = await Client.connect('8', server.port);
  const events = new Events();
  await client.on('*', {}, events.handler);
  const where = ['/live/x', '/disk/x', '/rest/x'];
  await Promise.all(Array.from({ length: 60 }, (_, n) => client.set(where[n % 3], { n }, n % 7 === 0 ? { noStore: true } : {})));
  for (let n = 0; n < 60; n++) assert.equal((await events.next()).data.n, n);
  const initial = new Events();
  await client.on('*', { initialEmit: true, event_type: 'set' }, initial.handler);
  await client.set('/disk/x', { n: 60 });
  const seen = [];
  while (!seen.includes(60)) seen.push((await initial.next()).data.n);
  assert.equal(new Set(seen).size, seen.length);
  await client.disconnect();
  await server.stop();
});

test('tags live beside their originals', async () => {
  const server = await start();
  const client = await Client.connect('6', server.port);
  await client.set('/disk/t', { p: 1 });
  await client.set('/disk/t', null, { tag: 'T' });
  await client.disconnect();
  await server.stop();
  const again = await start();
  const other = await Client.connect('6', again.port);
  assert.equal((await other.get('/_TAGS/disk/t/*'))[0].data.p, 1);
  await other.disconnect();
  await again.stop();
});

test('what cannot be is refused at the start, by name', async () => {
  const bad = [
    ['[{"patterns":[]}]', /each datastore needs a name/],
    ['[{"name":"a","nmae":1}]', /nmae is not known/],
    ['[{"name":"a","provider":"mongo"}]', /the provider mongo of the datastore a is not known/],
    ['[{"name":"a"},{"name":"a"}]', /two datastores with the name a/],
    ['5', /must be a list of datastores/],
    ['[{"name":"a","settings":{"filename":"/nowhere/at/all.db"}}]', /cannot open/],
  ];
  for (const [json, expected] of bad) {
    await assert.rejects(Server.start(['--set', `services.data.config.datastores=${json}`]), expected);
  }
});
