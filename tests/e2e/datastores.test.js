// Several stores in one server: by path, memory beside files, and patterns that mean documents in all of them.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');
const { Peer } = require('./support/peer');

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

test('an index is used, explain says so, and what is found is the same without it, in memory and in a file, in every protocol', async () => {
  const indexed = { settings: { indexes: ['n', 'list.of'] } };
  const list = [{ name: 'a', patterns: ['/a/*'], ...indexed }, { name: 'b', patterns: ['/b/*'], settings: { ...indexed.settings, filename: path.join(folder, 'indexed.db') } }];
  const server = await Server.start(['--set', `services.data.config.datastores=${JSON.stringify([...list, { name: 'plain', isDefault: true }])}`]);
  for (const protocol of [null, 'happn_1.3.0', 'happn_2', 'happn_3', 'happn_4']) {
    const peer = await Peer.open(server.port, protocol);
    for (let n = 0; n < 60; n++) {
      const data = { n: n % 3 === 0 ? `t${n}` : n, list: [{ of: n % 7 }, { of: n % 5 }] };
      for (const head of ['/a', '/b', '/plain']) await peer.ask({ action: 'set', path: `${head}/${n}`, data });
    }
    for (const [criteria, field] of [[{ n: 7 }, 'n'], [{ n: { $gt: 10, $lte: 20 } }, 'n'], [{ n: { $in: ['t3', 4] } }, 'n'], [{ n: { $gte: 't5' } }, 'n'], [{ 'list.of': 6 }, 'list.of'],
      [{ n: { $ne: 7 } }, null], [{ $or: [{ n: 1 }, { n: 2 }] }, null]]) {
      const found = await Promise.all(['/a', '/b', '/plain'].map(async (head) => {
        const items = await peer.ask({ action: 'get', path: `${head}/*`, options: { criteria, explain: true } });
        return { explain: items.pop().explain, names: items.map((item) => item._meta.path.slice(head.length)) };
      }));
      assert.ok(found[2].names.length > 0);
      for (const [at, store] of ['a', 'b', 'plain'].entries()) {
        assert.deepEqual(found[at].names, found[2].names, `${store}: ${JSON.stringify(criteria)}`);
        assert.deepEqual([found[at].explain.store, found[at].explain.index], [store, store === 'plain' ? null : field], JSON.stringify(criteria));
      }
      if (field !== null) assert.ok(found[0].explain.examined < 60 && found[1].explain.examined < 60);
    }
    peer.close();
  }
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
