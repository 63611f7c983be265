// A secured server and the real clients of every generation: logging in, permissions, changes of them, revocation, profiles.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Client, Events } = require('./support/clients');
const { ask, Admin, startSecured } = require('./support/admin');
const WebSocket = require('ws');

const all = ['1', '6', '8', '13'];
let server, admin;
const open = new Set();
const connect = async (generation, options, port = server.port) => {
  const client = await Client.connect(generation, port, options);
  open.add(client);
  return client;
};
const login = (generation, name, port) => connect(generation, { username: name, password: `${name}-pw` }, port);
const leave = async (client) => {
  open.delete(client);
  await client.disconnect();
};
const refused = async (promise, expected) => {
  const error = await promise.then(() => assert.fail('it was not refused'), (failure) => failure);
  for (const [key, value] of Object.entries(expected)) assert.equal(error[key], value, `${key}: ${error.message}`);
  return error;
};

test.before(async () => {
  server = await startSecured();
  admin = await Admin.login(server.port);
});
test.after(async () => {
  for (const client of open) client.disconnect().catch(() => {}); // those of failed tests
  await server.stop();
  if (open.size) setTimeout(() => process.exit(1), 2000); // they would come back for ever
});

/** A raw connection that speaks one protocol: call() resolves with the whole reply. */
class Raw {
  static async open(protocol, port = server.port) {
    const self = new Raw();
    self.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
    self.waiting = new Map();
    self.other = new Events();
    self.closed = new Promise((resolve) => self.socket.on('close', resolve));
    self.count = 0;
    self.socket.on('message', (bytes) => {
      const message = JSON.parse(bytes.toString());
      const meta = Array.isArray(message) ? message[message.length - 1] : message && message._meta;
      const waiter = meta && self.waiting.get(meta.eventId);
      if (waiter) waiter(message);
      else self.other.handler(message);
    });
    await new Promise((resolve, reject) => self.socket.on('open', resolve).on('error', reject));
    if (protocol) await self.call({ action: 'configure-session', data: { protocol } });
    return self;
  }
  call(message) {
    const eventId = ++this.count;
    return new Promise((resolve) => {
      this.waiting.set(eventId, resolve);
      this.socket.send(JSON.stringify({ ...message, eventId }));
    });
  }
  login(username, password) {
    return this.call({ action: 'login', data: { username, password, info: {} } });
  }
}

for (const generation of all) {
  test(`${generation}: a user logs in by password, does what is permitted, and nothing else`, async () => {
    const name = `pw${generation}`;
    await admin.user(name, { [`/p${generation}/*`]: { actions: ['get', 'set', 'on', 'remove'] }, [`/r${generation}/*`]: { actions: ['get'] } });
    const client = await login(generation, name);
    const events = new Events();
    await client.on(`/p${generation}/*`, {}, events.handler);
    await client.set(`/p${generation}/a`, { x: 1 });
    assert.equal((await events.next()).data.x, 1);
    const got = await client.get(`/p${generation}/a`);
    assert.equal(got.x, 1);
    assert.equal(got._meta.modifiedBy, name);
    await client.remove(`/p${generation}/a`);
    const code = 403;
    await refused(client.set(`/r${generation}/a`, {}), { name: 'AccessDenied', code, message: 'unauthorized' });
    await refused(client.set('/elsewhere', {}), { name: 'AccessDenied', code });
    await refused(client.get('/elsewhere'), { name: 'AccessDenied', code });
    await refused(client.get('*'), { name: 'AccessDenied', code });
    await refused(client.remove('/elsewhere'), { name: 'AccessDenied', code });
    await refused(client.on('/elsewhere/*', {}, () => {}), { name: 'AccessDenied', code });
    assert.equal(await client.get(`/r${generation}/none`), null);
    await leave(client);
  });

  test(`${generation}: wrong passwords, unknown names and missing ones are refused alike`, async () => {
    const code = generation === '1' ? 403 : 401;
    await refused(Client.connect(generation, server.port, { username: '_ADMIN', password: 'wrong' }), { name: 'AccessDenied', code, message: 'Invalid credentials' });
    await refused(Client.connect(generation, server.port, { username: `nobody${generation}`, password: 'wrong' }), { name: 'AccessDenied', code, message: 'Invalid credentials' });
  });

  test(`${generation}: a token opens further connections, and ends with its revocation`, async () => {
    const name = `tk${generation}`;
    await admin.user(name, { [`/t${generation}/*`]: { actions: ['*'] } });
    const first = await login(generation, name);
    const token = first.inner.session.token;
    const second = await connect(generation, { token });
    assert.equal(second.inner.session.token, token);
    await second.set(`/t${generation}/a`, { by: 'token' });
    await admin.call('revokeToken', { token, reason: 'lost' });
    const older = Number(generation) < 13;
    const why = older ? `session with id ${first.inner.session.id} has been revoked` : 'token has been revoked';
    await refused(Client.connect(generation, server.port, { token }), { name: 'AccessDenied', code: generation === '1' || !older ? 403 : 401, message: why });
    const http = await ask(server.port, 'GET', '/x', { headers: { authorization: `Bearer ${token}` } });
    assert.equal(http.status, 403);
    if (Number(generation) < 13) {
      await refused(second.set(`/t${generation}/a`, {}), { name: 'AccessDenied', code: 403, message: 'unauthorized', reason: why });
    }
    const [entry] = (await admin.call('listRevokedTokens')).filter((item) => item.reason === 'lost' && item.id === (first.inner.session.parentId || first.inner.session.id));
    assert.ok(entry, 'the revocation is listed');
    await leave(first).catch(() => {});
    await leave(second).catch(() => {});
  });

  test(`${generation}: a change of permissions counts at once, for requests and for subscriptions, in both directions`, async () => {
    const name = `ch${generation}`, at = `/c${generation}`;
    await admin.user(name, { [`${at}/*`]: { actions: ['on', 'set'] } });
    const client = await login(generation, name);
    const watcher = await connect('13', { username: '_ADMIN', password: 'secret' });
    const events = new Events();
    await client.on(`${at}/*`, {}, events.handler);
    await watcher.set(`${at}/1`, { n: 1 });
    assert.equal((await events.next()).data.n, 1);
    await admin.call('removePermission', { group: `of-${name}`, path: `${at}/*`, action: 'on' });
    await watcher.set(`${at}/2`, { n: 2 });
    await refused(client.get(`${at}/2`), { code: 403 });
    await admin.call('upsertPermission', { group: `of-${name}`, path: `${at}/*`, action: 'on' });
    await admin.call('upsertPermission', { group: `of-${name}`, path: `${at}/*`, action: 'get' });
    if (Number(generation) >= 8) await client.on(`${at}/*`, {}, events.handler); // these clients forget it when they are told
    await watcher.set(`${at}/3`, { n: 3 });
    assert.equal((await events.next()).data.n, 3, 'what came while it was not permitted is not heard');
    assert.equal((await client.get(`${at}/2`)).n, 2);
    await admin.call('unlinkGroup', { group: `of-${name}`, username: name });
    await refused(client.set(`${at}/4`, {}), { code: 403 });
    await admin.call('linkGroup', { group: `of-${name}`, username: name });
    if (generation === '13') await client.on(`${at}/*`, {}, events.handler);
    await client.set(`${at}/5`, { n: 5 });
    assert.equal((await events.next()).data.n, 5);
    await leave(client);
    await leave(watcher);
  });
}

test('what is prohibited is invisible below a pattern: results, counts, removes, events, initial values', async () => {
  await admin.user('pro', { '/q/*': { actions: ['*'] }, '/q/secret/*': { prohibit: ['get', 'on', 'remove'] } });
  const boss = await connect('13', { username: '_ADMIN', password: 'secret' });
  await boss.set('/q/open/1', { n: 1 });
  await boss.set('/q/secret/1', { n: 2 });
  const client = await login('13', 'pro');
  assert.deepEqual([...(await client.get('/q/*')).map((item) => item.n)], [1]);
  assert.equal((await client.inner.count('/q/*')).value, 1);
  await refused(client.get('/q/secret/1'), { code: 403 });
  const events = new Events();
  await client.on('/q/*/*', { initialEmit: true }, events.handler);
  assert.equal((await events.next()).data.n, 1);
  await boss.set('/q/secret/2', { n: 3 });
  await boss.set('/q/open/2', { n: 4 });
  assert.equal((await events.next()).data.n, 4);
  await client.remove('/q/*');
  assert.equal((await boss.get('/q/*')).length, 2, 'the secret ones are still there');
  await leave(client);
  await leave(boss);
});

test('13: permissions of a user, templates of groups, and acting for somebody else', async () => {
  await admin.call('upsertUser', { user: { username: 'own', password: 'own-pw', custom_data: { site: 's1', many: ['a', 'b'] }, permissions: { '/own': { actions: ['set'] } } } });
  await admin.call('upsertGroup', { group: { name: 'tmpl', permissions: { '/u/{{user.username}}/*': { actions: ['set'] }, '/s/{{user.custom_data.site}}': { actions: ['set'] },
    '/m/{{user.custom_data.many}}': { actions: ['set'] }, '/none/{{user.custom_data.none}}': { actions: ['set'] } } } });
  await admin.call('linkGroup', { group: 'tmpl', username: 'own' });
  const client = await login('13', 'own');
  for (const path of ['/own', '/u/own/x', '/s/s1', '/m/a', '/m/b']) await client.set(path, {});
  for (const path of ['/u/other/x', '/s/s2', '/m/c', '/none/', '/none/{{user.custom_data.none}}']) await refused(client.set(path, {}), { code: 403 });
  const boss = await connect('13', { username: '_ADMIN', password: 'secret' });
  await boss.set('/own', {}, { onBehalfOf: 'own' });
  await refused(boss.set('/elsewhere', {}, { onBehalfOf: 'own' }), { code: 403 });
  await refused(boss.set('/own', {}, { onBehalfOf: 'nobody' }), { code: 403 });
  await refused(client.set('/own', {}, { onBehalfOf: '_ADMIN_' }), { code: 403 });
  await leave(client);
  await leave(boss);
});

test('the name of whoever one may not act for comes back as it was said, however long it gets', async (t) => {
  const raw = await Raw.open('happn_4');
  t.after(() => raw.socket.terminate());
  await admin.user('speaker', { '/own': { actions: ['set'] } });
  await raw.call({ action: 'login', data: { username: 'speaker', password: 'speaker-pw' } });
  for (const character of ['\u0001', '"', '\\', 'ä', 'x']) {
    const reply = await raw.call({ action: 'set', path: '/own', data: {}, options: { onBehalfOf: character.repeat(100) } });
    const { code, reason } = reply._meta.error;
    assert.equal(code, 403);
    const said = /^session attempting to act on behalf of is not authorized request on behalf of unauthorised user: (.*)$/s.exec(reason);
    assert.ok(said, reason);
    assert.equal(said[1], character.repeat(character === 'ä' ? 50 : 100), 'at most 100 bytes of it, and nothing else');
  }
});

test('a login over HTTP whose name is not UTF-8 is refused, and the audit log stays readable', async (t) => {
  const fs = require('node:fs');
  const folder = fs.mkdtempSync('/tmp/happn-audit-');
  const audited = await startSecured({ audit: { file: `${folder}/audit.jsonl` } });
  t.after(() => audited.child.kill('SIGKILL')); // when it failed
  const types = { form: 'application/x-www-form-urlencoded', json: 'application/json' };
  const body = { form: 'username=a%ff&password=p', json: Buffer.concat([Buffer.from('{"username":"a'), Buffer.from([0xff]), Buffer.from('","password":"p"}')]) };
  for (const kind of ['form', 'json']) {
    const answer = await ask(audited.port, 'POST', '/auth/login', { headers: { 'content-type': types[kind] }, body: body[kind] });
    assert.equal(answer.status, 401);
  }
  assert.equal((await ask(audited.port, 'GET', '/auth/login?username=b%c0%af&password=p')).status, 401);
  await audited.stop();
  const bytes = fs.readFileSync(`${folder}/audit.jsonl`);
  assert.equal(bytes.toString().split('\n').filter((line) => line.includes('login-refused')).length, 3);
  assert.ok(bytes.equals(Buffer.from(bytes.toString())), 'all of it is UTF-8');
  fs.rmSync(folder, { recursive: true });
});

test('13: who is deleted is disconnected, told why, and cannot come back', async () => {
  await admin.user('del', { '/d': { actions: ['*'] } });
  const client = await login('13', 'del');
  const ended = new Promise((resolve) => client.inner.onEvent('session-ended', resolve));
  await admin.call('deleteUser', { username: 'del' });
  assert.equal((await ended).reason, 'security directory update: user deleted');
  open.delete(client);
  await refused(Client.connect('13', server.port, { username: 'del', password: 'del-pw' }), { code: 401 });
  assert.equal(await admin.call('getUser', { username: 'del' }), null);
});

test('13: a session that revokes its token ends, and so do its others; change of a password', async () => {
  await admin.user('rv', { '/rv': { actions: ['*'] } });
  const client = await login('13', 'rv');
  await refused(client.inner.changePassword({ oldPassword: 'wrong', newPassword: 'x' }), { message: 'Invalid old password' });
  await client.inner.changePassword({ oldPassword: 'rv-pw', newPassword: 'new-pw' });
  const again = await connect('13', { username: 'rv', password: 'new-pw' });
  const other = await connect('13', { token: again.inner.session.token });
  const ended = [again, other].map((each) => new Promise((resolve) => each.inner.onEvent('session-ended', resolve)));
  await again.inner.revokeToken();
  assert.deepEqual((await Promise.all(ended)).map((each) => each.reason), ['token-revoked', 'token-revoked']);
  open.delete(again);
  open.delete(other);
  await client.set('/rv', {});
  await leave(client);
});

test('6 and 8: revokeSession', async () => {
  for (const generation of ['6', '8']) {
    const name = `rs${generation}`;
    await admin.user(name, { '/rs': { actions: ['*'] } });
    const client = await login(generation, name);
    const token = client.inner.session.token;
    await new Promise((resolve, reject) => client.inner.revokeSession((error) => (error ? reject(error) : resolve())));
    await refused(client.set('/rs', {}), { code: 403, reason: `session with id ${client.inner.session.id} has been revoked` });
    await refused(Client.connect(generation, server.port, { token }), { code: 401 });
    await leave(client);
  }
});

test('before a login only the handshake is answered, whatever comes, and the server goes on', async () => {
  for (const protocol of [null, 'happn_1', 'happn_2', 'happn_3', 'happn_4']) {
    for (const message of [{ action: 'get', path: '/a' }, { action: 'set', path: '/a', data: 1 }, { action: 'on', path: '/SET@/a' }, { action: 'remove', path: '*' },
      { action: 'count', path: '*' }, { action: 'revoke-token' }, { action: 'change-password', data: {} }, { action: 'disconnect-child-sessions' },
      { action: 'set', path: { evil: 1 }, data: 1 }]) {
      const raw = await Raw.open(protocol);
      const reply = await raw.call(message);
      assert.equal(reply._meta.status, 'error', JSON.stringify([protocol, message, reply]));
      assert.equal(reply.data, null);
      raw.socket.terminate();
    }
    const raw = await Raw.open(protocol);
    for (const data of [undefined, null, 5, 'text', [], { username: '*', password: 'x' }, { username: { a: 1 }, password: 'x' }, { username: 'a', password: 5 }, { token: 5 },
      { token: 'a.b.c' }, { username: '_ADM', password: 'secret' }, { username: '_ADMIN', password: '' }, { username: '_ADMIN/x', password: 'secret' },
      { username: '_ADMIN', digest: 'x', publicKey: 'y' }]) {
      const reply = await raw.call({ action: 'login', data });
      assert.equal(reply._meta.status, 'error', JSON.stringify(data));
      assert.ok([401, 403].includes(reply._meta.error.code), JSON.stringify(reply));
    }
    assert.equal((await raw.login('_ADMIN', 'secret'))._meta.status, 'ok', 'on the same connection');
    raw.socket.terminate();
  }
});

test('a failed second login leaves the first in force, another user\'s rights replace the first\'s', async () => {
  await admin.user('sec', { '/sec': { actions: ['*'] } });
  const raw = await Raw.open('happn_4');
  await raw.login('_ADMIN', 'secret');
  assert.equal((await raw.login('sec', 'wrong'))._meta.error.code, 401);
  assert.equal((await raw.call({ action: 'set', path: '/x', data: {} }))._meta.status, 'ok');
  await raw.login('sec', 'sec-pw');
  assert.equal((await raw.call({ action: 'get', path: '/x' }))._meta.error.code, 403, 'no decision of before survives');
  assert.equal((await raw.call({ action: 'set', path: '/sec', data: {} }))._meta.status, 'ok');
  raw.socket.terminate();
});

test('requests sent behind a login wait for it', async () => {
  const raw = await Raw.open('happn_4');
  const [, set] = await Promise.all([raw.login('_ADMIN', 'secret'), raw.call({ action: 'set', path: '/behind', data: { a: 1 } })]);
  assert.equal(set._meta.status, 'ok');
  raw.socket.terminate();
});

test('/_SYSTEM is out of reach of clients, administrators too; hashes never leave', async () => {
  const boss = await connect('13', { username: '_ADMIN', password: 'secret' });
  assert.equal((await boss.get('/_SYSTEM/*')).length, 0);
  assert.equal((await boss.get('*')).filter((item) => item._meta.path.startsWith('/_SYSTEM')).length, 0);
  assert.equal(await boss.get('/_SYSTEM/_SECURITY/_USER/_ADMIN'), null);
  await refused(boss.set('/_SYSTEM/_SECURITY/_USER/evil', { username: 'evil' }), { code: 403 });
  assert.equal((await admin.call('listUsers', { criteria: { password: { $exists: true } } })).length, 0);
  assert.equal(JSON.stringify(await admin.call('listUsers')).includes('pbkdf2'), false);
  await leave(boss);
});

test('names cannot inject into paths', async () => {
  for (const username of ['mal/_USER_GROUP/_ADMIN', 'a*b', 'a{{w}}b', 'x\u0000y', 'tab\t', '', '_ANONYMOUS', 'x:nogroups', 'n'.repeat(300)]) {
    await assert.rejects(admin.call('upsertUser', { user: { username, password: 'x' } }), /validation/, username);
  }
  for (const name of ['bad/name', '_SYSTEMx', 'my_GROUP', 'x_PERMISSION', '_ADMIN', '_ANONYMOUS', '', 'a*b', '*', '_USER_GROUPx']) {
    await assert.rejects(admin.call('upsertGroup', { group: { name } }), /validation/, name);
  }
});

test('profiles: ttl, inactivity, usage, permissions in place of the user\'s, no token logins', async (t) => {
  const profiles = [
    { name: 'short', session: { user: { username: { $eq: 'short' } } }, policy: { ttl: '1 second' } },
    { name: 'uses', session: { 'user.username': 'uses' }, policy: { usage_limit: 2 } },
    { name: 'narrow', session: { user: { groups: { 'of-narrow': { $exists: true } } } }, policy: { permissions: { '/only': { actions: ['set'] } } } },
    { name: 'nologin', session: { $and: [{ 'user.username': 'nologin' }, { info: { kind: 'device' } }] }, policy: { disallowTokenLogins: true } },
    { name: 'elsewhere', session: { 'user.username': 'elsewhere' }, policy: { sourceIPWhitelist: ['10.0.0.1'] } },
  ];
  const limited = await startSecured({ profiles });
  t.after(() => limited.stop());
  const boss = await Admin.login(limited.port);
  for (const name of ['short', 'uses', 'narrow', 'nologin', 'elsewhere']) await boss.user(name, { '/*': { actions: ['*'] } });
  const uses = await login('13', 'uses', limited.port);
  const usesEnded = new Promise((resolve) => uses.inner.onEvent('session-ended', resolve));
  await uses.set('/a', {});
  await uses.set('/a', {});
  await refused(uses.set('/a', {}), { code: 403, message: 'session usage limit reached' });
  assert.equal((await usesEnded).reason, 'usage-limit');
  open.delete(uses);
  const older = await login('6', 'uses', limited.port);
  await older.set('/a', {});
  await older.set('/a', {});
  await refused(older.set('/a', {}), { code: 403, message: 'unauthorized', reason: 'session usage limit reached' });
  await leave(older);
  const narrow = await login('13', 'narrow', limited.port);
  await narrow.set('/only', {});
  await refused(narrow.set('/other', {}), { code: 403, message: 'token permissions limited' });
  await leave(narrow);
  const device = await connect('13', { username: 'nologin', password: 'nologin-pw', info: { kind: 'device' } }, limited.port);
  await refused(Client.connect('13', limited.port, { token: device.inner.session.token }), { code: 403, message: 'logins with this token are disallowed by policy' });
  await leave(device);
  await refused(Client.connect('13', limited.port, { username: 'elsewhere', password: 'elsewhere-pw' }), { code: 401, message: 'Source address access restricted' });
  const short = await login('13', 'short', limited.port);
  const ended = new Promise((resolve) => short.inner.onEvent('session-ended', resolve));
  assert.equal((await ended).reason, 'token-expired', 'without a request of its own');
  open.delete(short);
  const quiet = await login('8', 'short', limited.port);
  await new Promise((resolve) => {
    const look = () => quiet.get('/a').then(look, (error) => {
      assert.equal(error.reason, 'expired session token');
      resolve();
    });
    look();
  });
  await leave(quiet);
});

test('what limits a token limits it everywhere: acting for others, administration', async (t) => {
  const profiles = [
    { name: 'bound', session: { 'user.username': 'bound' }, policy: { permissions: { '/only': { actions: ['set'] } } } },
    { name: 'twice', session: { 'user.username': 'twice' }, policy: { usage_limit: 2 } },
  ];
  const limited = await startSecured({ profiles });
  t.after(() => limited.stop());
  const boss = await Admin.login(limited.port);
  await boss.user('target', { '/target': { actions: ['set'] } });
  await boss.call('upsertGroup', { group: { name: '_MESH_DELEGATE' } });
  for (const name of ['bound', 'free']) {
    await boss.user(name, {});
    await boss.call('linkGroup', { group: '_MESH_DELEGATE', username: name });
  }
  const free = await login('13', 'free', limited.port);
  await free.set('/target', {}, { onBehalfOf: 'target' });
  await leave(free);
  const bound = await login('13', 'bound', limited.port);
  await bound.set('/only', {});
  await refused(bound.set('/target', {}, { onBehalfOf: 'target' }), { code: 403 });
  await leave(bound);
  await boss.user('twice', {});
  await boss.call('linkGroup', { group: '_ADMIN', username: 'twice' });
  const second = await Admin.login(limited.port, 'twice-pw', 'twice');
  await second.call('listUsers');
  await second.call('listUsers');
  await assert.rejects(second.call('listUsers'), { status: 401 });
});

test('lockout: so many failures lock a name for that address, a good login starts anew, the administrator is never locked out of its machine', async (t) => {
  const locked = await startSecured({ accountLockout: { attempts: 3, retryInterval: '1 hour' } });
  t.after(() => locked.stop());
  const boss = await Admin.login(locked.port);
  await boss.user('lock', { '/*': { actions: ['*'] } });
  const wrong = () => refused(Client.connect('13', locked.port, { username: 'lock', password: 'wrong' }), { code: 401 });
  await wrong();
  await wrong();
  await leave(await login('13', 'lock', locked.port));
  await wrong();
  await wrong();
  await refused(Client.connect('13', locked.port, { username: 'lock', password: 'wrong' }), { code: 403, message: 'Account locked out' });
  await refused(login('13', 'lock', locked.port), { code: 403, message: 'Account locked out' });
  for (let i = 0; i < 5; i++) await assert.rejects(Admin.login(locked.port, 'wrong'), /Invalid credentials/);
  await Admin.login(locked.port);
});

test('a connection that never logs in is closed; the directory and tokens survive a restart', async (t) => {
  const file = require('node:path').join(require('node:fs').mkdtempSync('/tmp/happn-sec-'), 'documents.db');
  const kept = await startSecured({}, { services: { session: { config: { unconfiguredSessionCleanup: { threshold: '1 second' } } } } }, ['--file', file]);
  t.after(() => kept.stop());
  const raw = await Raw.open('happn_4', kept.port);
  await raw.closed;
  const boss = await Admin.login(kept.port);
  await boss.user('kept', { '/kept/*': { actions: ['*'] } });
  const client = await login('13', 'kept', kept.port);
  const token = client.inner.session.token;
  const bad = await login('8', 'kept', kept.port);
  await boss.call('revokeToken', { token: bad.inner.session.token });
  await Promise.all([leave(client), leave(bad)]);
  await kept.stop();
  await kept.launch();
  const again = await connect('13', { token }, kept.port);
  await again.set('/kept/1', {});
  await refused(Client.connect('8', kept.port, { token: bad.inner.session.token }), { code: 401 });
  await leave(again);
});

test('the default password of the administrator works on the own machine, and not when a proxy has passed it on', async (t) => {
  const fresh = await startSecured({ adminUser: {} });
  t.after(() => fresh.stop());
  const body = JSON.stringify({ username: '_ADMIN', password: 'happn' });
  const near = await ask(fresh.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/json' }, body });
  assert.equal(near.status, 200);
  const far = await ask(fresh.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/json', 'x-forwarded-for': '127.0.0.1' }, body });
  assert.equal(far.status, 403);
});

for (const generation of ['6', '8', '13']) {
  test(`${generation}: digest login; the nonce is good once and on its own connection`, async () => {
    const keys = generation === '13' ? rsaKeys() : ecKeys();
    const name = `dg${generation}`;
    await admin.call('upsertUser', { user: { username: name, publicKey: keys.publicKey } });
    await admin.call('upsertPermission', { username: name, path: `/${name}/*`, action: 'set' });
    const client = await connect(generation, { username: name, publicKey: keys.publicKey, privateKey: keys.privateKey, keyPair: keys });
    await client.set(`/${name}/a`, { by: 'digest' });
    await leave(client);
    const other = generation === '13' ? rsaKeys() : ecKeys();
    await refused(Client.connect(generation, server.port, { username: name, publicKey: keys.publicKey, privateKey: other.privateKey, keyPair: { ...keys, privateKey: other.privateKey } }),
      { code: 401, message: 'Invalid credentials' });
    await refused(Client.connect(generation, server.port, { username: name, publicKey: other.publicKey, privateKey: other.privateKey, keyPair: other }), { code: 401 });
    const raw = await Raw.open(`happn_${generation === '13' ? 4 : generation === '8' ? 3 : 2}`);
    const reply = await raw.call({ action: 'request-nonce', data: { publicKey: keys.publicKey } });
    assert.equal(reply.nonce, reply.data.nonce);
    const data = { username: name, publicKey: keys.publicKey, digest: keys.sign(reply.nonce), info: {} };
    const stranger = await Raw.open('happn_4');
    assert.equal((await stranger.call({ action: 'login', data }))._meta.error.code, 401, 'on another connection');
    assert.equal((await raw.call({ action: 'login', data }))._meta.status, 'ok');
    assert.equal((await raw.call({ action: 'login', data }))._meta.error.message, 'nonce expired or public key invalid', 'a second time');
    raw.socket.terminate();
    stranger.socket.terminate();
    const nonce = await ask(server.port, 'GET', `/auth/request-nonce?publicKey=${encodeURIComponent(keys.publicKey)}`);
    const login = await ask(server.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: name, publicKey: keys.publicKey, digest: keys.sign(nonce.json.data) }) });
    assert.equal(login.status, 200, login.text);
    const twice = await ask(server.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: name, publicKey: keys.publicKey, digest: keys.sign(nonce.json.data) }) });
    assert.equal(twice.status, 401);
  });
}

function ecKeys() {
  const crypto = require('node:crypto');
  const pair = crypto.createECDH('secp256k1');
  pair.generateKeys();
  const privateKey = pair.getPrivateKey().toString('base64').padStart(44, 'A'), publicKey = pair.getPublicKey(null, 'compressed').toString('base64');
  const util = new (require('happn-util-crypto'))();
  return { privateKey, publicKey, sign: (nonce) => util.sign(nonce, privateKey) };
}

function rsaKeys() {
  const crypto = require('node:crypto');
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'pkcs1', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } });
  return { publicKey, privateKey, sign: (nonce) => crypto.sign('RSA-SHA256', Buffer.from(nonce, 'base64'), privateKey).toString('base64') };
}

test('nested permissions: reading above what is permitted gives what is permitted, and follows changes both ways', async (t) => {
  const nested = await startSecured({}, { allowNestedPermissions: true });
  t.after(() => nested.stop());
  const boss = await Admin.login(nested.port);
  await boss.user('nest', { '/q/a/*': { actions: ['get', 'on'] }, '/q/b/1': { actions: ['get', 'on'] }, '/q/a/sec/*': { prohibit: ['get', 'on'] } });
  const writer = await connect('13', { username: '_ADMIN', password: 'secret' }, nested.port);
  const client = await login('13', 'nest', nested.port);
  for (const path of ['/q/a/1', '/q/b/1', '/q/b/2', '/q/a/sec/1', '/q/c']) await writer.set(path, { path });
  assert.deepEqual([...(await client.get('/q/**')).map((item) => item.path)].sort(), ['/q/a/1', '/q/b/1']);
  assert.equal((await client.inner.count('/q/**')).value, 2);
  await refused(client.get('/q/*'), { code: 403 });
  await refused(client.remove('/q/**'), { code: 403 });
  const events = new Events();
  await client.on('/q/**', {}, events.handler);
  for (const path of ['/q/b/2', '/q/a/sec/1', '/q/c', '/q/b/1']) await writer.set(path, { path });
  assert.equal((await events.next()).data.path, '/q/b/1');
  await boss.call('upsertPermission', { group: 'of-nest', path: '/q/b/2', action: 'on' });
  await writer.set('/q/b/2', { path: 'granted' });
  assert.equal((await events.next()).data.path, 'granted');
  await boss.call('upsertPermission', { group: 'of-nest', path: '/q/b/1', action: 'on', authorized: false });
  for (const path of ['/q/b/1', '/q/a/1']) await writer.set(path, { path });
  assert.equal((await events.next()).data.path, '/q/a/1');
  await Promise.all([leave(client), leave(writer)]);
});

test('anonymous access, and names without case', async (t) => {
  const special = await startSecured({ allowAnonymousAccess: true, usernamesCaseInsensitive: true, usernamesCaseInsensitiveExclude: ['Keeps'] });
  t.after(() => special.stop());
  const boss = await Admin.login(special.port);
  const nobody = await connect('13', { username: '_ANONYMOUS', password: 'any' }, special.port);
  await refused(nobody.get('/open/a'), { code: 403 });
  await boss.call('upsertGroup', { group: { name: 'everybody', permissions: { '/open/*': { actions: ['get'] } } } });
  await boss.call('linkGroup', { group: 'everybody', username: '_ANONYMOUS' });
  assert.equal(await nobody.get('/open/a'), null);
  await leave(nobody);
  await boss.call('upsertUser', { user: { username: 'MixedÉ', password: 'x' } });
  assert.equal((await boss.call('getUser', { username: 'mIXEDé' })).username, 'mixedé');
  await leave(await connect('13', { username: 'MIXEDé', password: 'x' }, special.port));
  await assert.rejects(boss.call('upsertUser', { user: { username: 'mixedÉ', password: 'y' }, overwrite: false }), /already exists/);
  await boss.call('upsertUser', { user: { username: 'Keeps', password: 'x' } });
  assert.equal((await boss.call('getUser', { username: 'Keeps' })).username, 'Keeps');
  await refused(Client.connect('13', special.port, { username: 'keeps', password: 'x' }), { code: 401 });
  await refused(Client.connect('13', server.port, { username: '_ANONYMOUS', password: 'any' }), { code: 401, message: 'Anonymous access is disabled' });
});

test('the audit log has logins, refusals, changes and revocations, no passwords and no tokens; it goes on in a new file', async (t) => {
  const fs = require('node:fs');
  const folder = fs.mkdtempSync('/tmp/happn-audit-');
  const file = `${folder}/audit.jsonl`;
  const audited = await startSecured({ audit: { file } });
  const boss = await Admin.login(audited.port);
  await boss.user('seen', { '/seen': { actions: ['set'] } });
  await refused(Client.connect('13', audited.port, { username: 'seen', password: 'wrong-password' }), { code: 401 });
  const client = await login('13', 'seen', audited.port);
  await refused(client.set('/unseen', {}), { code: 403 });
  fs.renameSync(file, `${file}.1`);
  const reloaded = audited.nextLine(/nothing to load|loaded anew/);
  audited.child.kill('SIGHUP');
  await reloaded;
  await boss.call('revokeToken', { token: client.inner.session.token, reason: 'audit' });
  open.delete(client);
  await audited.stop();
  const lines = (name) => fs.readFileSync(name, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const second = lines(file), both = [...lines(`${file}.1`), ...second]; // lines are written beside the loop: those of before the HUP may be in either
  const find = (list, event, test_) => list.find((line) => line.event === event && test_(line.detail));
  assert.ok(find(both, 'security-data-changed', (detail) => detail.whatHappnd === 'upsert-user' && detail.changedData.username === 'seen'));
  assert.ok(find(both, 'login-refused', (detail) => detail.username === 'seen' && detail.code === 401 && detail.address === '127.0.0.1'));
  assert.ok(find(both, 'authentic', (detail) => detail.username === 'seen'));
  assert.ok(find(both, 'refused', (detail) => detail.path === '/unseen' && detail.action === 'set' && detail.username === 'seen'));
  assert.ok(find(second, 'security-data-changed', (detail) => detail.whatHappnd === 'token-revoked' && detail.changedData.data.reason === 'audit'));
  assert.ok(find(second, 'session-ended', (detail) => detail.reason === 'token-revoked'));
  const text = fs.readFileSync(`${file}.1`, 'utf8') + fs.readFileSync(file, 'utf8');
  for (const secret of ['wrong-password', 'seen-pw', 'pbkdf2', client.inner.session.token]) assert.ok(!text.includes(secret));
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  fs.rmSync(folder, { recursive: true });
});

test('a flood of wrong logins is answered or turned away, and those who are in go on', async (t) => {
  const flooded = await startSecured({ pbkdf2Iterations: 20000, accountLockout: { enabled: false } });
  t.after(() => flooded.stop());
  const client = await connect('13', { username: '_ADMIN', password: 'secret' }, flooded.port);
  const attackers = await Promise.all([...Array(20)].map(() => Raw.open('happn_4', flooded.port)));
  const answers = Promise.all(attackers.flatMap((raw) => [...Array(10)].map((_, i) => raw.login(`victim${i}`, 'wrong'))));
  for (let i = 0; i < 50; i++) await client.set('/flood', { i });
  const codes = (await answers).map((reply) => reply._meta.error.code);
  assert.equal(codes.length, 200);
  assert.ok(codes.every((code) => code === 401 || code === 500), [...new Set(codes)].join());
  attackers.forEach((raw) => raw.socket.terminate());
  const limited = await startSecured({ loginsPerMinute: 5 });
  t.after(() => limited.stop());
  await Admin.login(limited.port);
  for (let i = 0; i < 4; i++) await refused(Client.connect('13', limited.port, { username: `x${i}`, password: 'x' }), { code: 401 });
  await refused(Client.connect('13', limited.port, { username: 'y', password: 'x' }), { code: 403, message: 'too many logins from this address, try again in a minute' });
  await leave(client);
});

test('what a session did last is listed when that is wanted', async (t) => {
  const active = await startSecured({ logSessionActivity: true });
  t.after(() => active.stop());
  const boss = await Admin.login(active.port);
  await boss.user('act', { '/act/*': { actions: ['set'] } });
  const client = await login('13', 'act', active.port);
  await client.set('/act/1', {});
  assert.deepEqual((await boss.call('listActiveSessions'))[0].activity, { action: 'set', authorized: true, path: '/act/1' });
  await refused(client.get('/act/2'), { code: 403 });
  assert.deepEqual((await boss.call('listActiveSessions'))[0].activity, { action: 'get', authorized: false, path: '/act/2' });
  await leave(client);
});

test('logging out over HTTP, disconnecting with a reason', async (t) => {
  const out = await startSecured({ allowLogoutOverHttp: true });
  t.after(() => out.stop());
  const boss = await Admin.login(out.port);
  await boss.user('out', { '/@HTTP/*': { actions: ['*'] } });
  const { token } = await Admin.login(out.port, 'out-pw', 'out');
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await ask(out.port, 'GET', '/x', { headers })).status, 404);
  const gone = await ask(out.port, 'POST', '/auth/logout', { headers, body: '' });
  assert.equal(gone.status, 200);
  assert.ok(gone.text.startsWith('{"message":"logout successful", "data":"'));
  assert.match(gone.headers['set-cookie'][0], /Max-Age=0/);
  assert.equal((await ask(out.port, 'GET', '/x', { headers })).status, 403);
  assert.equal((await ask(server.port, 'GET', '/auth/logout', { headers: { authorization: `Bearer ${admin.token}` } })).status, 403, 'not by default');
  const client = await login('13', 'out', out.port);
  const ended = new Promise((resolve) => client.inner.onEvent('session-ended', resolve));
  const [{ id }] = await boss.call('listActiveSessions');
  await boss.call('disconnectSession', { id, reason: 'maintenance' });
  assert.equal((await ended).reason, 'maintenance');
  const again = await connect('13', { token: client.inner.session.token }, out.port);
  await leave(again);
  open.delete(client);
});
