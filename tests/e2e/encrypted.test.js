// Payload encryption as the clients of 6.3.2 and 8.2.7 speak it, beside clients that do not.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const Util = require('happn-util-crypto');
const { Client, Events } = require('./support/clients');
const { Admin, startSecured } = require('./support/admin');

const refused = (promise, pattern) => assert.rejects(promise, (error) => pattern.test(error.message));

for (const generation of ['1', '6', '8']) {
  test(`${generation}: an encrypted login and encrypted requests, on the same documents as everybody else`, async () => {
    const server = await startSecured({}, { encryptPayloads: true });
    const admin = await Admin.login(server.port);
    await admin.user('enc', { '/e/*': { actions: ['*'] } });
    const client = await Client.connect(generation, server.port, { username: 'enc', password: 'enc-pw' });
    assert.equal(client.inner.session.isEncrypted, true);
    assert.ok(client.inner.session.secret);
    const plain = await Client.connect('13', server.port, { username: '_ADMIN', password: 'secret' });
    const mine = new Events(), theirs = new Events();
    await client.on('/e/*', {}, mine.handler);
    await plain.on('/e/*', {}, theirs.handler);
    await client.set('/e/1', { text: 'grüße ☃' });
    assert.equal((await mine.next()).data.text, 'grüße ☃');
    assert.equal((await theirs.next()).data.text, 'grüße ☃');
    await plain.set('/e/2', { n: 2 });
    assert.equal((await mine.next()).data.n, 2);
    assert.equal((await client.get('/e/1')).text, 'grüße ☃');
    assert.equal((await client.get('/e/*')).length, 2);
    assert.equal((await client.getPaths('/e/*')).length, 2);
    await refused(client.set('/elsewhere', {}), /unauthorized/);
    assert.equal(await client.get('/e/none'), null);
    await client.remove('/e/1');
    assert.equal((await mine.next()).data.removed, 1);
    await client.set('/e/big', { text: 'x'.repeat(300000) });
    assert.equal((await mine.next()).data.text.length, 300000);
    await client.disconnect();
    await refused(Client.connect(generation, server.port, { username: 'enc', password: 'wrong' }), /Invalid credentials/);
    await plain.disconnect();
    await server.stop();
  });
}

test('the log says that this encryption is weak', async () => {
  const server = await startSecured({}, { encryptPayloads: true });
  await server.line(/encryptPayloads is for old clients/);
  await server.stop();
});

/** A connection that says what it is told to. */
async function open(port, protocol) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
  const waiting = new Map();
  socket.on('message', (bytes) => {
    const message = JSON.parse(bytes.toString());
    const waiter = message._meta && waiting.get(message._meta.eventId);
    if (waiter) waiter(message);
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  let count = 0;
  const call = (message) => new Promise((resolve) => {
    waiting.set(++count, resolve);
    socket.send(JSON.stringify({ ...message, eventId: count }));
  });
  await call({ action: 'configure-session', data: { protocol } });
  return { call, close: () => socket.terminate() };
}
const sealed = (bytes) => ({ action: 'login', data: { encrypted: { type: 'Buffer', data: bytes }, publicKey: 'x', loginType: 'password' } });
const garbage = sealed([2, ...Array(150).fill(7)]);

test('logins that cannot be read are one error, are counted, limited and audited like others that fail', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-sealed-'));
  const file = path.join(folder, 'audit.jsonl');
  const server = await startSecured({ audit: { file }, loginsPerMinute: 6 }, { encryptPayloads: true });
  t.after(() => server.child.kill('SIGKILL')); // when it failed
  const raw = await open(server.port, 'happn_2');
  const { publicKey } = (await raw.call({ action: 'describe' })).data;
  const keys = ecKeys();
  const util = new Util();
  const blob = [...util.asymmetricEncrypt(publicKey, keys.privateKey, JSON.stringify({ username: '_ADMIN', password: 'secret' }))];
  const unreadable = [garbage, sealed([]), sealed('text'), sealed([2, 999]), sealed([...blob.slice(0, -1), blob[blob.length - 1] ^ 1])];
  const errors = new Set();
  for (const message of unreadable) errors.add(JSON.stringify((await raw.call(message))._meta.error));
  assert.deepEqual([...errors], ['{"name":"AccessDenied","message":"Invalid credentials: the encrypted login cannot be read","code":401}']);
  assert.ok((await raw.call(sealed(blob))).encrypted, 'the same message, unchanged: the sixth login');
  const late = [await raw.call(garbage), await raw.call(sealed(blob))].map((reply) => reply._meta.error);
  for (const error of late) assert.match(error.message, /too many logins from this address/);
  raw.close();
  await server.stop();
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.filter((line) => line.event === 'login-refused' && line.detail.code === 401 && line.detail.address === '127.0.0.1').length, 5);
  assert.equal(lines.filter((line) => line.event === 'login-refused' && line.detail.code === 403).length, 2);
  fs.rmSync(folder, { recursive: true });
});

function ecKeys() {
  const pair = crypto.createECDH('secp256k1');
  pair.generateKeys();
  return { privateKey: Buffer.from(pair.getPrivateKey('hex').padStart(64, '0'), 'hex').toString('base64'), publicKey: pair.getPublicKey('base64', 'compressed') };
}

for (const generation of ['6', '8']) {
  test(`${generation}: users with much data of their own log in encrypted, too; keys in place of passwords`, async (t) => {
    const server = await startSecured({}, { encryptPayloads: true });
    t.after(() => server.child.kill('SIGKILL')); // when it failed
    const admin = await Admin.login(server.port);
    await admin.user('fat', { '/f/*': { actions: ['*'] } }, { custom_data: { text: 'x'.repeat(200000) } });
    const client = await Client.connect(generation, server.port, { username: 'fat', password: 'fat-pw' });
    assert.equal(client.inner.session.isEncrypted, true);
    assert.equal(client.inner.session.user.custom_data.text.length, 200000);
    await client.set('/f/1', { n: 1 });
    await client.disconnect();
    const keys = ecKeys();
    await admin.user('keyed', { '/k/*': { actions: ['*'] } }, { publicKey: keys.publicKey });
    const keyed = await Client.connect(generation, server.port, { username: 'keyed', loginType: 'digest', keyPair: keys, ...keys });
    assert.equal(keyed.inner.session.isEncrypted, true);
    await keyed.set('/k/1', { n: 1 });
    await keyed.disconnect();
    await server.stop();
  });

  test(`${generation}: all levels of consistency, initial values and errors reach encrypted sessions`, async (t) => {
    const server = await startSecured({}, { encryptPayloads: true });
    t.after(() => server.child.kill('SIGKILL')); // when it failed
    const client = await Client.connect(generation, server.port, { username: '_ADMIN', password: 'secret' });
    const events = new Events();
    await client.on('/c/*', {}, events.handler);
    for (const consistency of [0, 1, 2, 3]) {
      let published;
      const report = new Promise((resolve) => { published = resolve; });
      await client.set(`/c/${consistency}`, { consistency }, { consistency, onPublished: (error, results) => published(error || results) });
      assert.equal((await events.next()).data.consistency, consistency);
      if (consistency % 2) assert.equal((await report).successful, 1);
    }
    const emitted = new Events();
    await client.on('/c/*', { initialEmit: true }, emitted.handler);
    for (let i = 0; i < 4; i++) assert.equal((await emitted.next()).data.consistency, i);
    await refused(client.set('/c/*', {}), /./);
    await client.disconnect();
    await server.stop();
  });
}

test('the key pair is kept: the same after a restart, and the newest clients are not told that they could encrypt', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-keys-'));
  const services = { data: { config: { filename: path.join(folder, 'keys.db') } } };
  const described = async (security, more) => {
    const server = await startSecured(security, { services, ...more });
    const answers = [];
    for (const protocol of ['happn_2', 'happn_4']) {
      const raw = await open(server.port, protocol);
      answers.push((await raw.call({ action: 'describe' })).data);
      raw.close();
    }
    await server.stop();
    return answers;
  };
  const [first] = await described({}, { encryptPayloads: true });
  assert.equal(Buffer.from(first.publicKey, 'base64').length, 33);
  assert.equal(first.encryptPayloads, true);
  const [again, newest] = await described({}, { encryptPayloads: true });
  assert.equal(again.publicKey, first.publicKey);
  assert.equal(newest.encryptPayloads, undefined);
  const [off] = await described({}, {});
  assert.equal(off.encryptPayloads, false);
  fs.rmSync(folder, { recursive: true });
});
