// Paths, writing and reading: sections 1 to 5 of the reference, by clients of every generation or word by word in every protocol.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./support/server');
const { Events } = require('./support/clients');
const { Peer, metaOf } = require('./support/peer');
const { generations, protocols, numberOf, same, strip, openHouse } = require('./support/everybody');
const wildcards = require('../vectors/wildcards.json');
const vectors = require('../vectors/search.json');

const isEvent = (message) => metaOf(message).type === 'data';
const house = openHouse();
const { connect, speak } = house;

for (const protocol of protocols) {
  test(`${protocol}: get, remove and on select by every pattern what was observed (vectors/wildcards.json)`, async (t) => {
    const own = await Server.start(); // `*` means everything that is there
    t.after(() => own.child.kill('SIGKILL'));
    const peer = await Peer.open(own.port, protocol);
    const column = numberOf(protocol) <= 2 ? '6.3.2' : '8.2.7';
    const refused = new Set(wildcards.on_errors.filter((each) => each.on_error[column] === 'subscribe failed').map((each) => each.pattern));
    const hears = (row) => row.on[column] ?? (row.get && !refused.has(row.pattern)); // 6 knew fewer characters
    const text = /^[\w@./*\-\s()+=&:%{}]*$/; // what has other characters is no path to subscribe to or to set
    const rows = new Map(wildcards.patterns.map((pattern) => [pattern, wildcards.rows.filter((row) => row.pattern === pattern)]));
    const set = (path) => peer.ask({ action: 'set', path, data: {} });
    for (const path of wildcards.paths) assert.equal((await set(path))._meta.status, 'ok', path);
    for (const [pattern, list] of rows) {
      const expected = list.filter((row) => row.get).map((row) => row.path).sort();
      const found = await peer.ask({ action: 'get', path: pattern });
      const items = Array.isArray(found) ? found.slice(0, -1) : [found].filter((each) => each.data !== null);
      same(items.map((item) => item._meta.path).sort(), expected, `get ${pattern}`);
      if (!text.test(pattern)) continue;
      const gone = await peer.ask({ action: 'remove', path: pattern, options: { noPublish: true } });
      assert.equal(gone.data.removed, expected.length, `remove ${pattern}`);
      for (const path of expected) await set(path);
      const answer = await peer.ask({ action: 'on', path: `/ALL@${pattern}` });
      assert.equal(metaOf(answer).status, refused.has(pattern) ? 'error' : 'ok', `on ${pattern}`);
    }
    for (const path of wildcards.paths) {
      peer.heard = [];
      await set(path); // what it causes comes before the answer
      const heard = peer.heard.filter(isEvent).map((event) => event._meta.channel.slice('/ALL@'.length)).sort();
      same(heard,
        wildcards.rows.filter((row) => row.path === path && hears(row) && text.test(row.pattern)).map((row) => row.pattern).sort(), `set ${path}`);
    }
    peer.close();
    await own.stop();
  });

  test(`${protocol}: paths are texts: four documents, and nothing is found by halves`, async () => {
    const peer = await speak(protocol);
    const tail = `opaque${protocol}`;
    const paths = [tail, `/${tail}`, `/${tail}/`, `//${tail}`];
    for (const [n, path] of paths.entries()) await peer.ask({ action: 'set', path, data: { n } });
    for (const [n, path] of paths.entries()) assert.equal((await peer.ask({ action: 'get', path })).data.n, n);
    await peer.ask({ action: 'set', path: `/${tail}/a\nb`, data: { n: 4 } });
    const found = await peer.ask({ action: 'get', path: `/${tail}/*` }); // a newline is a character like others
    same(found.slice(0, -1).map((item) => item._meta.path), [`/${tail}/`, `/${tail}/a\nb`]);
    const said = async (message) => (await peer.ask(message))._meta.error.message;
    for (const action of ['set', 'remove', 'on']) {
      const path = (name) => (action === 'on' ? `/ALL@${name}` : name);
      for (const name of ['/a?b', '/a[b]', '/a$', '/é', '/a"b', '/a,b']) {
        assert.match(await said({ action, path: path(name), data: 1 }), /^Bad path, can only contain characters a-z A-Z 0-9/, `${action} ${name}`);
      }
      assert.match(await said({ action, path: path(''), data: 1 }), /^Bad path/, `${action} of nothing`);
      assert.match(await said({ action, path: null, data: 1 }), /^Bad path \[null\], must be a string/, action);
      assert.match(await said({ action, path: { a: 1 }, data: 1 }), /^Bad path \[.*\], must be a string/, action);
    }
    for (const options of [{}, { noStore: true }, { merge: true }]) {
      assert.equal(await said({ action: 'set', path: '/m/*', data: 1, options }), "Bad path, if the action is 'set' the path cannot contain the * wildcard character");
    }
    for (const name of ['/a(b)', '/a+b=c&d:e%', '/{a}', '/a b\tc', 'a@b.c-d_e']) {
      assert.equal((await peer.ask({ action: 'set', path: `${name}${protocol}`, data: 1 }))._meta.status, 'ok', name);
    }
    same((await peer.ask({ action: 'get', path: '/a?b' })).data, null); // reading it finds nothing
    same((await peer.ask({ action: 'get', path: '/a?b*' })).slice(0, -1), []);
  });

  test(`${protocol}: what is stored is what was sent, to the letter`, async () => {
    const peer = await speak(protocol);
    const path = `/letter${protocol}`;
    const data = '{"int":9007199254740993,"exact":1.50,"tiny":1e-400,"zero":-0,"":"empty","$dollar":1,"a.b":{"$in":[1]},"path":"p","_id":"i","created":1,"é":"\\u00e9\\n"}';
    const raw = new Promise((resolve) => peer.socket.once('message', (text) => resolve(text.toString())));
    peer.socket.send(`{"action":"set","eventId":"x","path":"${path}","data":${data}}`);
    assert.ok((await raw).includes(data.slice(1, -1)), 'the answer');
    const read = new Promise((resolve) => peer.socket.once('message', (text) => resolve(text.toString())));
    peer.socket.send(`{"action":"get","eventId":"y","path":"${path}"}`);
    assert.ok((await read).includes(data.slice(1, -1)), 'the document');
  });

  test(`${protocol}: lists, paths only and counts have the form of their protocol`, async () => {
    const peer = await speak(protocol);
    const head = `/form${protocol}`;
    await peer.ask({ action: 'set', path: `${head}/2`, data: [2] });
    await peer.ask({ action: 'set', path: `${head}/1`, data: { n: 1 } });
    const ids = numberOf(protocol) <= 3;
    const keys = (item) => Object.keys(item._meta).sort().join();
    const list = await peer.ask({ action: 'get', path: `${head}/*` });
    same(list.slice(0, -1).map(strip), [{ n: 1 }, { value: [2] }]);
    for (const item of list.slice(0, -1)) assert.equal(keys(item), ids ? '_id,created,modified,path' : 'created,modified,path');
    same(list.pop(), { type: 'response', status: 'ok', published: false, eventId: peer.last, action: 'get' });
    const paths = await peer.ask({ action: 'get', path: `${head}/*`, options: { options: { path_only: true } } });
    same(paths.slice(0, -1), [1, 2].map((n) => ({ _meta: ids ? { path: `${head}/${n}`, _id: `${head}/${n}` } : { path: `${head}/${n}` } })));
    const one = await peer.ask({ action: 'get', path: `${head}/1`, options: { path_only: true } });
    assert.deepEqual([one._meta.path, 'data' in one], [`${head}/1`, false]);
    same((await peer.ask({ action: 'get', path: `${head}/none`, options: { path_only: true } })).data, null);
    const nothing = await peer.ask({ action: 'get', path: `${head}/1`, options: { criteria: { n: 2 } } });
    assert.deepEqual([nothing.data, nothing._meta.path, nothing._meta.created], [null, undefined, undefined]);
    same((await peer.ask({ action: 'get', path: `${head}/none/*` })).slice(0, -1), []);
    // Where options stand: limit and skip inside only, fields and sort at both places, criteria at the top.
    const found = async (options) => (await peer.ask({ action: 'get', path: `${head}/*`, options })).slice(0, -1).map((item) => item._meta.path.slice(-1)).join('');
    assert.equal(await found({ limit: 1, skip: 1 }), '12');
    assert.equal(await found({ options: { limit: 1 } }), '1');
    assert.equal(await found({ options: { limit: '1', skip: 1 } }), '2');
    assert.equal(await found({ options: { limit: 0 } }), '12');
    assert.equal(await found({ sort: { path: -1 } }), '21');
    assert.equal(await found({ options: { sort: { path: -1 } } }), '21');
    assert.equal(await found({ options: { criteria: { n: 1 } } }), '12');
    assert.equal(await found({ criteria: { n: 1 } }), '1');
    for (const options of [{ fields: { n: 1 } }, { options: { fields: { n: 1 } } }]) {
      const [first, second] = await peer.ask({ action: 'get', path: `${head}/*`, options });
      same([strip(first), strip(second)], [{ n: 1 }, {}]);
      assert.equal(keys(first), ids ? '_id,path' : 'path'); // (7)
    }
  });

  test(`${protocol}: ifRev: of many who saw the same one is right, the others learn the rev; it is about one stored document`, async () => {
    const peer = await speak(protocol);
    const path = `/first${protocol}`;
    const write = (action, options, data) => peer.ask({ action, path, data, options: { rev: true, ...options } });
    let { rev } = (await write('set', { ifRev: 0 }, { n: 0 }))._meta;
    for (const [action, options, data] of [['set', {}, { n: 1 }], ['set', { merge: true }, { m: 1 }], ['set', { increment: 1 }, 'c']]) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => write(action, { ...options, ifRev: rev }, data)));
      const [won, lost] = ['ok', 'error'].map((status) => answers.filter((answer) => answer._meta.status === status));
      assert.equal(won.length, 1, JSON.stringify(options));
      const now = (await peer.ask({ action: 'get', path, options: { rev: true } }))._meta.rev;
      assert.ok(now > rev);
      for (const { data: nothing, _meta: { error } } of lost) {
        assert.deepEqual([nothing, error.name, error.rev], [null, 'Conflict', now]);
        assert.match(error.message, /somebody was faster/);
      }
      rev = now;
    }
    const refused = async (message) => (await peer.ask(message))._meta.error;
    assert.equal((await refused({ action: 'set', path, data: null, options: { tag: 'T', ifRev: rev - 1 } })).rev, rev);
    assert.equal((await refused({ action: 'remove', path, options: { ifRev: rev - 1 } })).rev, rev);
    assert.match((await refused({ action: 'remove', path: `${path}*`, options: { ifRev: rev } })).message, /ifRev is about one document/);
    assert.match((await refused({ action: 'set', path, data: 1, options: { noStore: true, ifRev: rev } })).message, /ifRev is about one document/);
    assert.equal((await peer.ask({ action: 'remove', path, options: { ifRev: rev } })).data.removed, 1);
    assert.equal((await refused({ action: 'set', path, data: 1, options: { ifRev: rev } })).rev, 0); // nothing is there any more
  });

  test(`${protocol}: counts as observed, and explain, also of lists (vectors/search.json)`, async () => {
    const peer = await speak(protocol);
    for (const [path, data] of Object.entries(vectors.dataset)) await peer.ask({ action: 'set', path, data });
    for (const { id, get_path: path, criteria, options, observed } of vectors.counts) {
      const answer = await peer.ask({ action: 'count', path, options: { criteria, options } });
      same(answer.data, { value: observed['13.12.1'].value }, id);
    }
    const list = await peer.ask({ action: 'get', path: '/s/*', options: { criteria: { name: 'Alice' }, explain: true } });
    same(list.pop().explain, { store: 'default', index: null, examined: 12, found: 2 });
  });
}

for (const generation of generations) {
  test(`${generation}: every kind of value: the answer, the event and the document are the same`, async () => {
    const [client, other] = [await connect(generation), await connect(generation)];
    const head = `/value${generation}`;
    const events = new Events();
    await other.on(`${head}/*`, {}, events.handler);
    const date = new Date(0);
    const values = [['text', 'x', { value: 'x' }], ['number', 1.5, { value: 1.5 }], ['false', false, { value: false }], ['date', date, { value: date.toISOString() }],
      ['list', [1, [2]], { value: [1, [2]] }], ['null', null, { value: null }], ['empty', {}, {}], ['nothing', undefined, {}],
      ['members', { a: null, path: 1, _id: 2, created: 3, value: 4 }, { a: null, path: 1, _id: 2, created: 3, value: 4 }], ['meta', { a: 1, _meta: { path: 'x' } }, { a: 1 }]];
    for (const [name, value, expected] of values) {
      const stored = await client.set(`${head}/${name}`, value);
      same(strip(stored), expected, name);
      const event = await events.next();
      same(strip(event.data), expected, name);
      const read = await other.get(`${head}/${name}`);
      same(strip(read), expected, name);
      for (const { path, created, modified } of [stored._meta, event.meta]) {
        same({ path, created, modified }, { path: `${head}/${name}`, created: read._meta.created, modified: read._meta.modified }, name);
      }
      assert.equal(read._meta.created, read._meta.modified, name);
    }
    let again;
    do again = await client.set(`${head}/text`, 'y'); while (again._meta.modified === again._meta.created);
    const merged = await client.set(`${head}/text`, { z: 1 }, { merge: true });
    assert.equal(merged._meta.created, again._meta.created);
    assert.ok(merged._meta.modified >= again._meta.modified);
    same(strip(merged), { value: 'y', z: 1 });
  });

  test(`${generation}: options of set: what is stored, what is told, what the answer says`, async () => {
    const client = await connect(generation);
    const path = `/option${generation}`;
    const events = new Events();
    await client.on(path, {}, events.handler);
    const set = async (data, options) => {
      const { _meta, ...rest } = await client.set(path, data, options);
      return [rest, _meta.published, typeof _meta.created];
    };
    same(await set({ n: 1 }, { noPublish: true }), [{ n: 1 }, false, 'number']);
    same(await set({ n: 2 }, { noStore: true }), [{ n: 2 }, true, 'undefined']);
    same(await set([3], { noStore: true, noPublish: true }), [{ value: [3] }, false, 'undefined']);
    same(await set({ n: 4 }, { upsertType: 3 }), [{ n: 4 }, false, 'number']); // BULK
    same(strip(await client.get(path)), { n: 4 });
    for (const upsertType of [0, 1, 2]) same(await set({ n: 5 + upsertType }, { upsertType, unknown: { a: 1 }, nope: null }), [{ n: 5 + upsertType }, true, 'number']);
    same(strip(await client.get(path, null)), { n: 7 });
    const told = await events.next();
    assert.deepEqual([told.data.n, told.meta.created, told.meta.modified], [2, undefined, undefined]);
    for (const n of [5, 6, 7]) assert.equal((await events.next()).data.n, n);
    assert.equal(events.items.length, 0);
  });
}
