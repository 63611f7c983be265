'use strict';
// Ways to log in, and clients with several servers, against services of this process that really stop and start.

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));
const vectors = path.join(__dirname, '..', '..', '..', 'tests', 'vectors');
const read = (name) => JSON.parse(fs.readFileSync(path.join(vectors, name), 'utf8'));
const [point] = read('keys.json').vectors;
const curve = { privateKey: point.privateKey_base64, publicKey: point.publicKey_base64 };
const rsa = read('rsa-digest-13.json').keyPair;

const secured = { secure: true, port: 0, host: '127.0.0.1', utils: { logLevel: 'error' }, adminUser: { password: 'secret' } };
const next = (client, name) => new Promise((resolve) => client.onEvent(name, resolve));

async function withSecured(run) {
  const service = await happn.service.create(secured);
  try {
    await run(service, service.services.security.users);
  } finally {
    await service.stop();
  }
}

test('a login by key', () => withSecured(async (service, users) => {
  for (const [username, keyPair, other] of [['c', curve, rsa], ['r', rsa, curve]]) {
    await users.upsertUser({ username, publicKey: keyPair.publicKey, permissions: { '/k/*': { actions: ['set'] } } });
    const { port } = service;
    for (const options of [{ keyPair }, { privateKey: keyPair.privateKey }, keyPair]) {
      const client = await happn.connect({ port, username, ...options });
      assert.strictEqual(client.session.user.username, username);
      await client.set('/k/1', { username });
      await assert.rejects(client.set('/other', 1), { status: -14 });
      await client.disconnect();
    }
    await assert.rejects(happn.connect({ port, username, keyPair: other }), /Invalid credentials/);
    await assert.rejects(happn.connect({ port, username, privateKey: other.privateKey, publicKey: keyPair.publicKey }), /Invalid credentials/);
    const local = await service.services.session.localClient({ username, ...keyPair });
    await local.set('/k/2', 1);
    await local.disconnect();
  }
}));

test('a login by key is made again after a reconnect', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-key-'));
  const config = { ...secured, services: { data: { config: { filename: path.join(folder, 'documents.db') } } } };
  const first = await happn.service.create(config);
  await first.services.security.users.upsertUser({ username: 'c', publicKey: curve.publicKey, permissions: { '/k/*': { actions: ['set', 'on'] } } });
  const client = await happn.connect({ port: first.port, username: 'c', ...curve, reconnect: true, reconnectMin: 20 });
  let seen;
  const event = new Promise((resolve) => { seen = resolve; });
  await client.on('/k/*', (data) => seen(data));
  const [lost, back] = [next(client, 'connection-lost'), next(client, 'reconnect-successful')];
  await first.stop();
  await lost;
  const second = await happn.service.create({ ...config, port: first.port });
  await back;
  await client.set('/k/1', { n: 1 });
  assert.deepStrictEqual(await event, { n: 1 });
  await client.disconnect();
  await second.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a login by token and by cookie', () => withSecured(async (service, users) => {
  await users.upsertUser({ username: 'u', password: 'p' });
  const { port } = service;
  const first = await happn.connect({ port, username: 'u', password: 'p' });
  const { token } = first.session;
  for (const options of [{ token }, { cookie: `a=b; happn_token=${token}` }, { cookie: `mine=${token}; happn_token=x`, cookieName: 'mine' },
    { cookie: `happn_token_https=${token}` }]) {
    const client = await happn.connect({ port, ...options });
    assert.strictEqual(client.session.user.username, 'u');
    await client.disconnect();
  }
  await first.disconnect();
}));

test('what is wrong with options and logins is said', () => withSecured(async ({ port }) => {
  await assert.rejects(happn.connect({ port }), /this server wants a login: username and password, username and privateKey, or token/);
  await assert.rejects(happn.connect({ port, username: '_ADMIN', password: 'x' }), { message: 'Invalid credentials' });
  await assert.rejects(happn.connect({ port, privateKey: 'x' }), /needs the option username/);
  await assert.rejects(happn.connect({ port, username: 'u', privateKey: 'x' }), /privateKey must be 32 bytes of a secp256k1 key/);
  await assert.rejects(happn.connect({ port, cookie: 'a=b' }), /no cookie of the name happn_token/);
  await assert.rejects(happn.connect({ port, usernam: 'u' }), /there is no option usernam/);
  await assert.rejects(happn.connect({ pool: [] }), /pool must be a list of 1 to 64 servers/);
}));

test('a pool goes to the servers that are there', async () => {
  const plain = { port: 0, host: '127.0.0.1', utils: { logLevel: 'error' } };
  const [one, two] = [await happn.service.create(plain), await happn.service.create(plain)];
  const there = async (service) => (await (await service.client()).getPaths('/here/*')).length;
  const pool = [{ port: 1 }, { port: one.port }, `ws://127.0.0.1:${two.port}`];
  const client = await happn.client.create(pool, { poolType: 0, reconnect: true, reconnectMin: 20 });
  await client.set('/here/1', 1);
  assert.deepStrictEqual([await there(one), await there(two)], [1, 0]);
  let seen;
  const event = new Promise((resolve) => { seen = resolve; });
  await client.on('/here/2', (data) => seen(data));
  const back = next(client, 'reconnect-successful');
  await one.stop();
  await back;
  await client.set('/here/2', { n: 2 });
  assert.deepStrictEqual(await event, { n: 2 });
  assert.strictEqual(await there(two), 1);
  const again = next(client, 'reconnect-successful');
  await two.stop();
  const third = await happn.service.create({ ...plain, port: one.port });
  await again;
  await client.set('/here/3', 1);
  assert.strictEqual(await there(third), 1);
  await client.disconnect();
  await third.stop();
  await assert.rejects(happn.connect({ pool: [{ port: 1 }, { port: 2 }], reconnectMin: 1, poolReconnectAttempts: 3 }), /no server of the pool answered; the last: could not connect/);
});

test('the options of happn-3\'s clients', () => withSecured(async ({ port }) => {
  const config = { host: '127.0.0.1', port, username: '_ADMIN', password: 'secret', protocol: 'http', reconnect: { retries: Infinity, max: 2000 } };
  const client = await happn.client.create({ config, secure: true, callTimeout: 5000 });
  await client.set('/a', 1);
  await client.disconnect();
  const called = await new Promise((resolve, reject) => happn.client.create([{ config: { port } }], { username: '_ADMIN', password: 'secret' },
    (error, made) => (error ? reject(error) : resolve(made))));
  await called.disconnect();
}));
