'use strict';
// Run by ctest, or with HAPPN_MODULE=<build>/bindings/node node --test.

const assert = require('assert');
const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { test } = require('node:test');

const module_ = path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js');
const happn = require(module_);

async function withClient(run) {
  const service = await happn.service.create({ port: 0 });
  const client = await service.client();
  try {
    await run(client, service);
  } finally {
    await client.disconnect();
    await service.stop();
  }
}

const strip = ({ _meta, ...data }) => data;

test('set, get, remove, paths', () => withClient(async (client) => {
  assert.deepStrictEqual(strip(await client.set('/a', { x: 1, text: 'grün' })), { x: 1, text: 'grün' });
  const merged = await client.set('/a', { y: 2 }, { merge: true });
  assert.deepStrictEqual(strip(merged), { x: 1, text: 'grün', y: 2 });
  assert.strictEqual(merged._meta.path, '/a');
  assert.strictEqual(await client.get('/nothing'), null);
  await client.set('/b', [1]);
  assert.deepStrictEqual((await client.get('/*')).map((item) => item._meta.path), ['/a', '/b']);
  assert.deepStrictEqual((await client.getPaths('/*')).map((item) => item._meta.path), ['/a', '/b']);
  assert.strictEqual((await client.remove('/*')).removed, 2);
}));

test('searches, counters, siblings', () => withClient(async (client) => {
  for (let n = 0; n < 5; n++) await client.set(`/s/${n}`, { n });
  const found = await client.get('/s/*', { criteria: { n: { $gt: 1 } }, options: { sort: { n: -1 }, limit: 2 } });
  assert.deepStrictEqual(found.map((item) => item.n), [4, 3]);
  assert.strictEqual((await client.count('/s/*', { criteria: { n: { $lt: 3 } } })).value, 3);
  assert.strictEqual((await client.increment('/c', 'hits', 2)).value, 2);
  assert.strictEqual((await client.increment('/c', 'hits')).value, 3);
  assert.match((await client.setSibling('/sib', { a: 1 }))._meta.path, /^\/sib\//);
  await client.publish('/none', { a: 1 });
  assert.strictEqual(await client.get('/none'), null);
}));

test('callbacks', () => withClient((client) => new Promise((resolve, reject) => {
  client.on('/c', { event_type: 'set' }, (data, meta) => {
    assert.deepStrictEqual(data, { n: 1 });
    assert.strictEqual(meta.path, '/c');
    resolve();
  }, (error, handle) => {
    if (error) return reject(error);
    assert.strictEqual(typeof handle, 'number');
    client.set('/c', { n: 1 }, (failed) => failed && reject(failed));
  });
})));

test('events and handles', () => withClient(async (client) => {
  const seen = [];
  const one = await client.on('/e/*', (data) => seen.push(['one', data.n]));
  await client.on('/e/*', (data) => seen.push(['two', data.n]));
  await client.set('/e/1', { n: 1 });
  await client.off(one);
  await client.set('/e/1', { n: 2 });
  await client.offPath('/e*');
  await client.set('/e/1', { n: 3 });
  assert.deepStrictEqual(seen, [['one', 1], ['two', 1], ['two', 2]]);
}));

test('a subscription with a count is gone when that is used up', () => withClient(async (client) => {
  const seen = [];
  const held = client.hub.handlers.size;
  const one = await client.once('/n', (data) => seen.push(data.n));
  const two = await client.on('/n', { count: 2 }, (data) => seen.push(data.n));
  for (let n = 1; n <= 3; n++) await client.set('/n', { n });
  assert.deepStrictEqual(seen, [1, 1, 2]);
  assert.strictEqual(client.hub.handlers.size, held);
  assert.strictEqual(client.subscriptions.size, 0);
  await client.off(one);
  await client.off(two);
  await assert.rejects(client.off(two + 1000), { status: -11 });
}));

test('disconnect closes also when the token cannot be revoked', async () => {
  const service = await happn.service.create({ port: 0 });
  const client = await happn.connect({ port: service.port });
  await assert.rejects(client.disconnect({ revokeToken: true }), /Not Secure/);
  await assert.rejects(client.get('/a'), { status: -11 });
  await service.stop();
});

test('a path does not end at a NUL', () => withClient(async (client) => {
  for (const name of ['set', 'get', 'remove', 'getPaths']) await assert.rejects(client[name]('/z\0b', 1), { name: 'BadPath', status: -7, message: /NUL/ });
  await assert.rejects(client.on('/z\0b', () => {}), { status: -7 });
  assert.deepStrictEqual(await client.getPaths('/z*'), []);
  assert.deepStrictEqual((await client.set('/z', 'a\0b')).value, 'a\0b');
}));

test('errors', () => withClient(async (client) => {
  await assert.rejects(client.set('/a/*', 1), { name: 'BadPath', status: -7, message: /path cannot contain the \* wildcard/ });
  await assert.rejects(client.on('*/b', () => {}), /subscribe failed/);
  await assert.rejects(client.set('/a', 1, { targetClients: 5 }), /targetClients must be an array/);
  await assert.rejects(happn.connect('ws://127.0.0.1:1'), /could not connect to 127.0.0.1:1/);
}));

test('a thousand at once', () => withClient(async (client) => {
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`/p/${i}`, { i })));
  assert.strictEqual((await client.getPaths('/p/*')).length, 1000);
}));

test('the service ends first', async () => {
  const service = await happn.service.create({ port: 0 });
  const client = await service.client();
  const ended = new Promise((resolve) => client.onEvent('connection-ended', resolve));
  await service.stop();
  assert.match(await ended, /disconnect/);
  await assert.rejects(client.get('/a'), { status: -11 });
});

test('onPublished says who got it', () => withClient(async (client) => {
  await client.on('/r', () => {});
  const report = (write) => new Promise((resolve) => write((error, result) => resolve({ error, result })));
  const acknowledged = await report((onPublished) => client.set('/r', { n: 1 }, { consistency: 3, onPublished }));
  assert.deepStrictEqual(acknowledged, { error: null, result: { successful: 1, failed: 0, skipped: 0, queued: 1, acknowledged: 1 } });
  const removed = await report((onPublished) => client.remove('/r', { consistency: 1, onPublished }));
  assert.deepStrictEqual(removed.result, { successful: 1, failed: 0, skipped: 0, queued: 1 });
  await assert.rejects(client.set('/r/*', 1, { consistency: 1, onPublished: () => assert.fail('nothing is published') }), { status: -7 });
  await assert.rejects(client.set('/r', 1, { onPublished: () => assert.fail('level 2 has no report') }), { status: -2 });
}));

test('what is wrong with arguments comes as every other error, to the promise or to the callback (23)', () => withClient(async (client) => {
  const circular = {};
  circular.self = circular;
  const calls = [['set', '/a', circular], ['set', '/a', 1n], ['set', 5, 1], ['set', '/a', 1, circular], ['get', '/a', circular], ['get', null],
    ['count', '/a', circular], ['remove', '/a', circular], ['remove', {}], ['on', '/a', circular, () => {}], ['on', 7, () => {}], ['off', 'x'], ['set', '/a/$', 1]];
  for (const [verb, ...args] of calls) {
    await assert.rejects(client[verb](...args), Error, verb);
    const error = await new Promise((resolve) => client[verb](...args, resolve));
    assert.ok(error instanceof Error, verb);
  }
}));

test('a lost connection is made again, with its subscriptions (21)', async () => {
  const first = await happn.service.create({ port: 0 });
  const client = await happn.connect({ port: first.port, reconnect: true, reconnectMin: 20 });
  const news = [];
  const next = (name) => new Promise((resolve) => client.onEvent(name, resolve));
  client.onEvent('connection-lost', (reason) => news.push(reason));
  client.onEvent('reconnect-scheduled', ({ attempt }) => news.push(attempt));
  let tell;
  await client.on('/e/*', (data) => tell(data.n));
  const [lost, back] = [next('connection-lost'), next('reconnect-successful')];
  await first.stop();
  await lost;
  await assert.rejects(client.get('/a'), { status: -11 });
  const second = await happn.service.create({ port: first.port });
  assert.ok((await back).attempt >= 1);
  const event = new Promise((resolve) => { tell = resolve; });
  await client.set('/e/1', { n: 7 });
  assert.strictEqual(await event, 7);
  assert.strictEqual(news[1], 1);
  const ended = next('connection-ended');
  await second.stop({ reconnect: false });
  assert.match(await ended, /disconnect/);
  await client.disconnect();
});

test('what changed while the connection was away is told', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-node-'));
  const config = { services: { data: { config: { filename: path.join(folder, 'documents.db') } } } };
  const first = await happn.service.create({ port: 0, ...config });
  const client = await happn.connect({ port: first.port, reconnect: true, reconnectMin: 20 });
  const next = (name) => new Promise((resolve) => client.onEvent(name, resolve));
  const told = [];
  await client.set('/v/1', { n: 1 });
  await client.on('/v/*', { initialEmit: true }, (data, meta) => told.push([meta.path, data.n]));
  const handle = await client.on('/v/*', { initialCallback: true }, () => {});
  const gone = await client.on('/gone/*', { initialEmit: true }, () => assert.fail('it was taken off'));
  client.onEvent('initial-values', ({ values, ...rest }) => told.push({ ...rest, paths: values.map((item) => item._meta.path) }));
  client.onEvent('reconnect-successful', () => told.push('back'));
  const [lost, back] = [next('connection-lost'), next('reconnect-successful')];
  await first.stop();
  await lost;
  assert.strictEqual(typeof gone, 'number');
  await client.offPath('/gone*');
  const elsewhere = await happn.service.create({ port: 0, ...config });
  const other = await elsewhere.client();
  await other.remove('/v/1');
  await other.set('/v/2', { n: 2 });
  await other.set('/gone/1', { n: 2 });
  await elsewhere.stop();
  const second = await happn.service.create({ port: first.port, ...config });
  await back;
  assert.deepStrictEqual(told.shift(), ['/v/1', 1]);
  assert.strictEqual(told.pop(), 'back');
  told.sort((a, b) => Array.isArray(b) - Array.isArray(a)); // which of the two comes first is open
  assert.deepStrictEqual(told, [['/v/2', 2], { handle, path: '/v/*', paths: ['/v/2'] }]);
  await client.disconnect();
  await second.stop();
  fs.rmSync(folder, { recursive: true });
});

function run(text) {
  const script = `const happn = require(${JSON.stringify(module_)});${text}`;
  return spawnSync(process.execPath, ['-e', script], { timeout: 10000, encoding: 'utf8' });
}

test('a program that has closed everything ends', () => {
  const result = run("happn.service.create({port:0}).then(async s=>{const c=await s.client();await c.on('/a',()=>{});await c.set('/a',1);await s.stop();console.log('done')})");
  assert.strictEqual(result.status, 0, result.stderr);
  assert.strictEqual(result.stdout.trim(), 'done');
});

test('process.exit inside a handler', () => {
  const result = run("happn.service.create({port:0}).then(async s=>{const c=await s.client();await c.on('/a',()=>process.exit(7));await c.set('/a',1)})");
  assert.strictEqual(result.status, 7, result.stderr);
});

test('an exception in a handler is uncaught, the others still run', () => {
  const result = run("process.on('uncaughtException',e=>{console.log(e.message);process.exit(0)});happn.service.create({port:0}).then(async s=>{const c=await s.client();await c.on('/a',()=>{throw new Error('mine')});await c.on('/a',()=>console.log('other'));await c.set('/a',1)})");
  assert.deepStrictEqual(result.stdout.trim().split('\n').sort(), ['mine', 'other'], result.stderr);
});

test('a worker is terminated under load', () => {
  const worker = `const happn=require(${JSON.stringify(module_)});happn.service.create({port:0}).then(async s=>{const c=await s.client();await c.on('/a',()=>{});for(;;)await c.set('/a',1)})`;
  const result = run(`const {Worker}=require('worker_threads');(async()=>{for(let i=0;i<5;i++){const w=new Worker(${JSON.stringify(worker)},{eval:true});await new Promise(r=>setTimeout(r,100));await w.terminate()}console.log('done')})()`);
  assert.strictEqual(result.stdout.trim(), 'done', result.stderr);
});
