'use strict';
// Layers in JavaScript: what they may decide, and what becomes of messages when they do not.

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const { once } = require('events');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));

const quiet = { deferListen: true, utils: { logLevel: 'error' } };
const strip = ({ _meta, ...data }) => data;
const withLayers = (...inboundLayers) => ({ ...quiet, services: { protocol: { config: { inboundLayers } } } });

/** Runs with a service that has the layer, and a client of it. */
async function serving(fn, options, run) {
  const service = await happn.service.create(quiet);
  try {
    await service.addLayer(fn, options);
    await run(await service.client(), service);
  } finally {
    await service.stop();
  }
}

/** A promise and what settles it. */
function gate() {
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  return { open, opened };
}

test('a layer changes, refuses and answers', async () => {
  const seen = [];
  const look = async (message) => {
    seen.push([message.action, message.path, message.session.user]);
    assert.match(message.sessionId, /^.{10,}$/);
    if (message.path === '/a/no') throw new happn.Refused('that is his', { name: 'NotYours', code: 403 });
    if (message.path === '/a/instead') return happn.reply({ instead: true });
    if (message.path === '/a/add') message.data.added = 'grün';
    if (message.path === '/b') message.data = { replaced: 1 };
    return message.path === '/b' ? message : undefined;
  };
  await serving(look, { actions: 'set', path: ['/a/*', '/b'] }, async (client) => {
    assert.deepStrictEqual(strip(await client.set('/a/add', { n: 1 })), { n: 1, added: 'grün' });
    assert.deepStrictEqual(strip(await client.get('/a/add')), { n: 1, added: 'grün' });
    assert.deepStrictEqual(strip(await client.set('/b', { n: 1 })), { replaced: 1 });
    assert.deepStrictEqual(strip(await client.set('/a/instead', { n: 1 })), { instead: true });
    assert.strictEqual(await client.get('/a/instead'), null);
    await assert.rejects(client.set('/a/no', { n: 1 }), { name: 'NotYours', message: 'that is his', code: 403 });
    await client.set('/c', { n: 1 });
  });
  assert.deepStrictEqual(seen, ['/a/add', '/b', '/a/instead', '/a/no'].map((item) => ['set', item, null]));
});

test("layers of happn-3, in its configuration", async () => {
  const config = withLayers((message, cb) => {
    if (message.raw.action !== 'set') return cb(null, message);
    if (message.raw.path === '/no') return cb(new Error('not allowed'));
    if (message.raw.path === '/text') return cb('only a text');
    message.raw.data.by = message.session.user.username;
    return setImmediate(cb, null, message);
  }, (message) => {
    if (message.action === 'set') message.data.second = true;
  });
  const service = await happn.service.create({ ...config, secure: true, adminUser: { password: 'secret' } });
  try {
    const client = await service.services.session.localClient({ username: '_ADMIN', password: 'secret' });
    assert.deepStrictEqual(strip(await client.set('/a', {})), { by: '_ADMIN', second: true });
    await assert.rejects(client.set('/no', {}), { name: 'Error', message: 'not allowed' });
    await assert.rejects(client.set('/text', {}), { message: 'only a text' });
  } finally {
    await service.stop();
  }
});

test('who only looks changes nothing', () => {
  const { Message } = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'layers.js'));
  const text = '{ "huge": 12345678901234567890123, "n": 1.0 }';
  const make = () => new Message({ action: 'set', path: '/a', options: null, session: { id: '1', username: '' } }, text);
  const message = make();
  assert.strictEqual(message.changed(), null);
  assert.strictEqual(message.data.n, 1);
  assert.strictEqual(message.changed(), null);
  message.data.n = true;
  delete message.data.huge;
  assert.strictEqual(message.changed(), '{"n":true}');
  const replaced = make();
  replaced.data = { n: 2 };
  assert.strictEqual(replaced.changed(), '{"n":2}');
});

test('mistakes refuse, and are told in this process only', () => {
  const look = (message) => {
    switch (message.path) {
      case '/throw': throw new Error('a secret');
      case '/return': return 7;
      case '/data': message.data = () => {}; return undefined;
      case '/circle': message.data.self = message.data; return undefined;
      case '/later': return Promise.reject(new Error('a secret'));
      default: return undefined;
    }
  };
  return serving(look, { actions: 'set' }, async (client, service) => {
    const told = [];
    service.on('layer-error', (error) => told.push(error.message));
    for (const item of ['/throw', '/return', '/data', '/circle', '/later']) {
      await assert.rejects(client.set(item, {}), { name: 'LayerError', message: 'a layer of the server failed' });
    }
    assert.deepStrictEqual([told[0], told[4], told.length], ['a secret', 'a secret', 5]);
    assert.match(told[1], /gave something else/);
    service.removeAllListeners('layer-error');
    const warned = once(process, 'warning');
    await assert.rejects(client.set('/throw', {}), { name: 'LayerError' });
    const [warning] = await warned;
    assert.match(warning.detail, /a secret[\s\S]*layers\.test\.js/);
    await client.set('/good', {});
  });
});

test('a layer that waits holds up nobody else', () => {
  const arrived = gate();
  const let_ = gate();
  const wait = async (message) => {
    if (message.path !== '/slow') return;
    arrived.open();
    await let_.opened;
    message.data = { waited: true };
  };
  return serving(wait, { actions: 'set' }, async (client, service) => {
    const other = await service.client();
    let isDone = false;
    const slow = client.set('/slow', {}).finally(() => { isDone = true; });
    await arrived.opened;
    await other.set('/fast', {}); // through the same layer
    assert.strictEqual(isDone, false);
    let_.open();
    assert.deepStrictEqual(strip(await slow), { waited: true });
  });
});

test('a layer that takes too long, and its late answer', () => {
  const let_ = gate();
  const left = [];
  const wait = (message) => let_.opened.then(() => {
    left.push(message.path);
    return happn.reply('too late');
  });
  return serving(wait, { actions: 'set', path: '/strict', timeout: 1 }, async (client, service) => {
    await service.addLayer(wait, { actions: 'set', path: '/lax', timeout: 1, onTimeout: 'next' });
    await assert.rejects(client.set('/strict', {}), { name: 'Timeout', message: 'a layer did not answer in time' });
    assert.deepStrictEqual(strip(await client.set('/lax', { n: 1 })), { n: 1 });
    let_.open();
    assert.strictEqual(await client.get('/strict'), null);
    assert.deepStrictEqual(left.sort(), ['/lax', '/strict']);
  });
});

test('too many wait', () => {
  const arrived = gate();
  const let_ = gate();
  const wait = () => {
    arrived.open();
    return let_.opened.then(() => {});
  };
  return serving(wait, { actions: 'set', maxPending: 1 }, async (client, service) => {
    const other = await service.client();
    const first = client.set('/a', {});
    await arrived.opened;
    await assert.rejects(other.set('/a', {}), { name: 'Busy' });
    let_.open();
    await first;
    await other.set('/a', {});
  });
});

test('the order with a script', async () => {
  const letter = (what) => (message) => { if (message.action === 'set') message.data.order += what; };
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-layers-'));
  const before = process.cwd();
  fs.writeFileSync(path.join(folder, 'c.lua'), "return { actions = { 'set' }, inbound = function(msg) msg.data.order = msg.data.order .. 'c' end }");
  process.chdir(folder);
  try {
    const service = await happn.service.create(withLayers(letter('a'), letter('b'), 'c.lua'));
    await service.addLayer(letter('d'));
    const client = await service.client();
    assert.deepStrictEqual(strip(await client.set('/order', { order: '-' })), { order: '-abcd' });
    await service.stop();
    await assert.rejects(happn.service.create(withLayers('c.lua', letter('a'))), /functions stand in front of scripts/);
  } finally {
    process.chdir(before);
    fs.rmSync(folder, { recursive: true });
  }
});

test('options that make no sense', () => serving(() => {}, {}, async (client, service) => {
  await assert.rejects(service.addLayer(() => {}, { actions: 'sett' }), /no action "sett"/);
  await assert.rejects(service.addLayer(() => {}, { timeout: 0 }), /deadline/);
  await assert.rejects(service.addLayer(() => {}, { action: 'set' }), /no option "action"/);
  await assert.rejects(service.addLayer('a.lua'), /a layer is a function/);
  const outbound = { ...quiet, services: { protocol: { config: { outboundLayers: [(message, cb) => cb(null, message)] } } } };
  await assert.rejects(happn.service.create(outbound), /outboundLayers: what goes out cannot wait/);
  await new Promise((resolve, reject) => { service.addLayer(() => {}, {}, (error) => (error ? reject(error) : resolve())); });
  await client.set('/a', {});
}));

test('a service that stops while messages wait', async () => {
  const arrived = gate();
  const service = await happn.service.create({ ...quiet, deferListen: false, port: 0, host: '127.0.0.1' });
  await service.addLayer(() => { arrived.open(); return new Promise(() => {}); }, { actions: 'set' });
  const client = await happn.connect({ port: service.port });
  const waiting = assert.rejects(client.set('/a', {}), { name: 'Closed', message: 'the server is stopping' });
  await arrived.opened;
  await service.stop();
  await waiting;
  await client.disconnect();
});

/** Two ends of a process, or of a worker in it, while a message waits. */
const leaving = (end) => `
  const happn = require(${JSON.stringify(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'))});
  (async () => {
    const service = await happn.service.create({ deferListen: true, utils: { logLevel: 'error' } });
    await service.addLayer(() => { ${end}; return new Promise(() => {}); }, { actions: 'set' });
    const client = await service.client();
    client.set('/a', {}).catch(() => {});
  })();`;

test('leaving while messages wait', () => {
  const one = spawnSync(process.execPath, ['-e', leaving('process.exit(3)')], { encoding: 'utf8', timeout: 20000 });
  assert.deepStrictEqual([one.status, one.stderr], [3, '']);
  const worker = `
    const { Worker } = require('worker_threads');
    const worker = new Worker(${JSON.stringify(leaving("require('worker_threads').parentPort.postMessage('waits')"))}, { eval: true });
    worker.once('message', () => worker.terminate().then(() => console.log('terminated')));`;
  const two = spawnSync(process.execPath, ['-e', worker], { encoding: 'utf8', timeout: 20000 });
  assert.deepStrictEqual([two.status, two.stdout, two.stderr], [0, 'terminated\n', '']);
});
