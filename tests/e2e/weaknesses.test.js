// Weaknesses of the original that other tests do not meet on their way; docs/security.md has the whole list.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const { ask, Admin, startSecured } = require('./support/admin');

/** A connection that says what it is told; call() resolves with the reply. */
class Raw {
  static async open(port, options = {}) {
    const self = new Raw();
    self.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`, options);
    self.waiting = new Map();
    self.socket.on('message', (bytes) => {
      const message = JSON.parse(bytes.toString());
      const waiter = message && message._meta && self.waiting.get(message._meta.eventId);
      if (waiter) waiter(message);
    });
    await new Promise((resolve, reject) => self.socket.on('open', resolve).on('error', reject));
    await self.call('configure-session', { protocol: 'happn_4' });
    return self;
  }
  call(action, data, more = {}) {
    const eventId = (this.count = (this.count || 0) + 1);
    return new Promise((resolve) => {
      this.waiting.set(eventId, resolve);
      this.socket.send(JSON.stringify({ action, data, eventId, ...more }));
    });
  }
  login(username, more = {}) {
    return this.call('login', { username, password: username === '_ADMIN' ? 'secret' : `${username}-pw`, info: {}, ...more });
  }
  close() {
    this.socket.terminate();
  }
}
const json = { 'content-type': 'application/json' };
const loginOver = (port, body, headers = {}) => ask(port, 'POST', '/auth/login', { headers: { ...json, ...headers }, body: JSON.stringify(body) });

let server, admin;
test.before(async () => {
  server = await startSecured({ profiles: [{ name: 'near', session: { 'user.username': 'near', ip_address: '127.0.0.1' }, policy: { ttl: '1 hour' } }] });
  admin = await Admin.login(server.port);
});
test.after(() => server.stop());

test('disableDefaultAdminNetworkConnections is decided by the connection, whatever the client says it is', async (t) => {
  const closed = await startSecured({}, { disableDefaultAdminNetworkConnections: true });
  t.after(() => closed.stop());
  for (const info of [{}, { _local: true }, { _browser: true, _local: true }]) {
    const raw = await Raw.open(closed.port);
    const reply = await raw.login('_ADMIN', { info });
    assert.equal(reply._meta.error.code, 403);
    assert.equal(reply._meta.error.message, 'use of _ADMIN credentials over the network is disabled');
    raw.close();
  }
  assert.equal((await loginOver(closed.port, { username: '_ADMIN', password: 'secret' })).status, 403);
});

test('disableDefaultAdminNetworkConnections counts for tokens that the administrator got before, too', async (t) => {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'happn-kept-in-')), 'data.db');
  const open = await startSecured({}, {}, ['--file', file]);
  const { token } = await Admin.login(open.port);
  await open.stop();
  const closed = await startSecured({}, { disableDefaultAdminNetworkConnections: true }, ['--file', file]);
  t.after(() => closed.stop());
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await ask(closed.port, 'POST', '/_admin/listUsers', { headers, body: '{}' })).status, 403);
  assert.equal((await ask(closed.port, 'GET', '/nothing', { headers })).status, 403);
  const raw = await Raw.open(closed.port);
  const reply = await raw.call('login', { token, info: {} });
  assert.equal(reply._meta.status, 'error');
  assert.equal(reply._meta.error.message, 'use of _ADMIN credentials over the network is disabled');
  raw.close();
});

test('passwords that are tried at once are not more than one after the other', async (t) => {
  const strict = await startSecured({ pbkdf2Iterations: 20000 });
  t.after(() => strict.stop());
  await (await Admin.login(strict.port)).user('many', {});
  const wrong = await Promise.all(Array.from({ length: 20 }, () => Raw.open(strict.port)));
  const right = await Raw.open(strict.port);
  const replies = wrong.map((raw, n) => raw.login('many', { password: `guess ${n}` }));
  await Promise.race(replies); // the others have been sent
  const reply = await right.login('many');
  assert.equal(reply._meta.error && reply._meta.error.message, 'Account locked out');
  await Promise.all(replies);
  for (const raw of [...wrong, right]) raw.close();
});

test('who has a session cannot guess the password by changing it', async () => {
  await admin.user('guessed', {});
  const raw = await Raw.open(server.port);
  assert.equal((await raw.login('guessed'))._meta.status, 'ok');
  const said = [];
  for (let n = 0; n < 6; n++) {
    const reply = await raw.call('change-password', { oldPassword: `guess ${n}`, newPassword: 'mine' });
    said.push(reply._meta.error.message);
  }
  assert.deepEqual(said, [...Array(3).fill('Invalid old password'), ...Array(3).fill('Account locked out')]);
  assert.equal((await raw.call('change-password', { oldPassword: 'guessed-pw', newPassword: 'mine' }))._meta.error.message, 'Account locked out');
  raw.close();
});

test('a token in the query can be switched off; passwords come in the body', async (t) => {
  const strict = await startSecured({}, { services: { connect: { config: { middleware: { security: { queryTokens: false } } } } } });
  t.after(() => strict.stop());
  for (const [port, status] of [[server.port, 404], [strict.port, 401]]) {
    const login = await loginOver(port, { username: '_ADMIN', password: 'secret' });
    assert.equal((await ask(port, 'GET', `/nothing?happn_token=${login.json.data}`)).status, status);
    assert.equal((await ask(port, 'GET', '/nothing', { headers: { authorization: `Bearer ${login.json.data}` } })).status, 404);
  }
});

test('the cookie is out of reach of scripts and other sites', async () => {
  await admin.user('web', { '/@HTTP/*': { actions: ['*'] } });
  const login = await loginOver(server.port, { username: 'web', password: 'web-pw' });
  const [cookie] = login.headers['set-cookie'];
  assert.match(cookie, /^happn_token=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/);
  const headers = { cookie: cookie.split(';')[0], host: 'here', 'content-length': 0 };
  const status = async (method, more) => (await ask(server.port, method, '/nothing', { headers: { ...headers, ...more } })).status;
  assert.equal(await status('POST', {}), 404);
  assert.equal(await status('POST', { origin: 'http://here' }), 404);
  assert.equal(await status('POST', { origin: 'http://evil' }), 403);
  assert.equal(await status('DELETE', { origin: 'null' }), 403);
  assert.equal(await status('GET', { origin: 'http://evil' }), 404);
  assert.equal((await ask(server.port, 'POST', '/nothing', { headers: { authorization: `Bearer ${login.json.data}`, origin: 'http://evil', 'content-length': 0 } })).status, 404,
    'no browser sends a bearer token by itself');
});

test('a signature logs in once, on the connection that asked', async () => {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'pkcs1', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } });
  await admin.call('upsertUser', { user: { username: 'key', publicKey } });
  const [one, other] = [await Raw.open(server.port), await Raw.open(server.port)];
  const sign = (nonce) => crypto.sign('sha256', Buffer.from(nonce, 'base64'), privateKey).toString('base64');
  const { nonce } = (await one.call('request-nonce', { publicKey })).data;
  await other.call('request-nonce', { publicKey }); // does not take the place of the first
  const credentials = { username: 'key', publicKey, digest: sign(nonce), info: {} };
  assert.equal((await other.call('login', credentials))._meta.error.code, 401, 'it is another connection\'s');
  assert.equal((await one.call('login', credentials))._meta.status, 'ok');
  assert.equal((await one.call('login', credentials))._meta.error.code, 401, 'once');
  const http = (await ask(server.port, 'POST', '/auth/request-nonce', { headers: json, body: JSON.stringify({ publicKey }) })).json.data;
  const again = { username: 'key', publicKey, digest: sign(http) };
  assert.equal((await loginOver(server.port, again)).status, 200);
  assert.equal((await loginOver(server.port, again)).status, 401);
  one.close();
  other.close();
});

test('a weak hash becomes a stronger one at the next login', async (t) => {
  const kept = await startSecured({}, {});
  const file = path.join(kept.folder, 'documents.db');
  await kept.stop();
  const stored = () => fs.readFileSync(file, 'latin1') + (fs.existsSync(`${file}-wal`) ? fs.readFileSync(`${file}-wal`, 'latin1') : '');
  const start = (pbkdf2Iterations) => startSecured({ pbkdf2Iterations }, {}, ['--file', file]);
  const first = await start(101);
  await first.stop();
  assert.match(stored(), /pbkdf2\$101\$/);
  const second = await start(202);
  t.after(() => second.stop());
  assert.doesNotMatch(stored(), /pbkdf2\$202\$/);
  assert.equal((await loginOver(second.port, { username: '_ADMIN', password: 'wrong' })).status, 401);
  const both = await Promise.all(Array.from({ length: 8 }, () => loginOver(second.port, { username: '_ADMIN', password: 'secret' })));
  assert.deepEqual(both.map((answer) => answer.status), Array(8).fill(200), 'while it is made, the password is as good as before');
  for (let i = 0; i < 50 && !stored().includes('pbkdf2$202$'); i++) await Admin.login(second.port); // it is written beside the login's answer
  assert.match(stored(), /pbkdf2\$202\$/);
});

test('what a client says of itself chooses no profile, and its address is its connection\'s', async () => {
  await admin.user('near', {});
  await admin.user('liar', {});
  const raw = await Raw.open(server.port, { headers: { 'x-forwarded-for': '9.9.9.9' } });
  const near = await raw.login('near', { info: { ip_address: '8.8.8.8' } });
  assert.equal(near.data.policy[1].ttl, 3600000);
  const liar = await raw.login('liar', { info: { _browser: true, _local: true } });
  assert.equal(liar.data.policy[1].ttl, 0, 'not that of browsers');
  raw.socket.send('{"action":"login","eventId":99,"data":{"username":"liar","password":"liar-pw","info":{"_browser":true,"\\u005fbrowser":true,"_browser":true}}}');
  const twice = await new Promise((resolve) => raw.waiting.set(99, resolve));
  assert.equal(twice.data.policy[1].ttl, 0, 'however often and in whatever spelling');
  assert.deepEqual(Object.keys(liar.data).filter((key) => /header|secret|password|address/i.test(key)), [], 'what it need not know');
  raw.close();
  const browser = await Raw.open(server.port, { headers: { origin: 'http://here' } });
  assert.equal((await browser.login('liar', { info: { _browser: false } })).data.policy[1].ttl, 7 * 86400000, 'a browser says so in its handshake');
  browser.close();
});

test('X-Forwarded-For and X-Forwarded-Proto are believed from trusted proxies only', async (t) => {
  const profiles = [{ name: 'far', session: { ip_address: '9.9.9.9' }, policy: { ttl: '1 hour' } },
    { name: 'listed', session: { 'user.username': 'listed' }, policy: { sourceIPWhitelist: ['8.8.8.0/24'] } }];
  const proxied = await startSecured({ profiles }, { services: { transport: { config: { trustedProxies: ['127.0.0.0/8', '::1', '10.0.0.1'] } } } });
  const direct = await startSecured({ profiles });
  t.after(() => Promise.all([proxied.stop(), direct.stop()]));
  const policy = async (port, forwarded) => {
    const raw = await Raw.open(port, { headers: { 'x-forwarded-for': forwarded } });
    const reply = await raw.login('_ADMIN');
    raw.close();
    return reply.data.policy[1].ttl;
  };
  assert.equal(await policy(proxied.port, '9.9.9.9'), 3600000);
  assert.equal(await policy(proxied.port, '1.1.1.1, 9.9.9.9, 10.0.0.1'), 3600000);
  assert.equal(await policy(proxied.port, '9.9.9.9, 1.1.1.1'), 0, 'what 1.1.1.1 says of itself counts for nothing');
  assert.equal(await policy(proxied.port, `${'x'.repeat(5000)}, 9.9.9.9`), 0, 'too long to be read');
  assert.equal(await policy(direct.port, '9.9.9.9'), 0);
  for (const [{ port }, forwarded, status] of [[proxied, '8.8.8.8', 200], [proxied, '8.8.9.8', 401], [direct, '8.8.8.8', 401]]) {
    await (await Admin.login(port)).user('listed', {});
    const login = await loginOver(port, { username: 'listed', password: 'listed-pw' }, { 'x-forwarded-for': forwarded });
    assert.equal(login.status, status, `${forwarded}: ${login.text}`);
  }
  const boss = await Admin.login(proxied.port);
  await boss.user('listed', { '/@HTTP/*': { actions: ['*'] } });
  await boss.call('linkGroup', { group: '_ADMIN', username: 'listed' });
  const { data: token } = (await loginOver(proxied.port, { username: 'listed', password: 'listed-pw' }, { 'x-forwarded-for': '8.8.8.8' })).json;
  const first = await Raw.open(proxied.port, { headers: { 'x-forwarded-for': '8.8.8.8' } });
  const { token: stateful } = (await first.login('listed')).data;
  first.close();
  for (const [forwarded, plain, listing] of [['8.8.8.8', 404, 200], ['8.8.9.8', 401, 401]]) {
    const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': forwarded };
    assert.equal((await ask(proxied.port, 'GET', '/nothing', { headers })).status, plain, `a token that was carried elsewhere: ${forwarded}`);
    assert.equal((await ask(proxied.port, 'POST', '/_admin/listUsers', { headers })).status, listing);
    const raw = await Raw.open(proxied.port, { headers: { 'x-forwarded-for': forwarded } });
    const reply = await raw.call('login', { token: stateful, info: {} });
    raw.close();
    assert.equal(reply._meta.status, plain === 404 ? 'ok' : 'error', `a token login: ${forwarded}`);
  }
  const cookieOf = async (port) => (await loginOver(port, { username: '_ADMIN', password: 'secret' }, { 'x-forwarded-proto': 'https' })).headers['set-cookie'][0];
  assert.match(await cookieOf(proxied.port), /; Secure;/);
  assert.doesNotMatch(await cookieOf(direct.port), /; Secure;/);
  await assert.rejects(startSecured({}, { services: { transport: { config: { trustedProxies: ['home'] } } } }), /home is neither an address nor a network/);
});

test('a user made anew is another one: tokens of the first are worth nothing', async () => {
  await admin.user('twice', { '/@HTTP/*': { actions: ['*'] } });
  const { data: token } = (await loginOver(server.port, { username: 'twice', password: 'twice-pw' })).json;
  const status = async () => (await ask(server.port, 'GET', '/nothing', { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await status(), 404);
  await admin.call('deleteUser', { username: 'twice' });
  assert.ok([401, 403].includes(await status()));
  await admin.user('twice', { '/@HTTP/*': { actions: ['*'] } });
  assert.equal(await status(), 403);
});

test('the default password is refused in production', async (t) => {
  process.env.HAPPN_ENV = 'production';
  t.after(() => delete process.env.HAPPN_ENV);
  const fresh = await startSecured({ adminUser: {} });
  t.after(() => fresh.stop());
  assert.equal((await loginOver(fresh.port, { username: '_ADMIN', password: 'happn' })).status, 403);
  assert.equal((await loginOver(fresh.port, { username: '_ADMIN', password: 'wrong' })).status, 401);
});

test('a revocation is forgotten when its token would have ended, also with a file', async (t) => {
  const first = await startSecured();
  const file = path.join(first.folder, 'documents.db');
  await first.stop();
  const kept = await startSecured({ profiles: [{ name: 'short', session: { 'user.username': 'short' }, policy: { ttl: '1 second' } }] }, {}, ['--file', file]);
  t.after(() => kept.stop());
  const boss = await Admin.login(kept.port);
  await boss.user('short', {});
  const lasting = await Admin.login(kept.port);
  await boss.call('revokeToken', { token: lasting.token });
  for (let i = 0; i < 20; i++) {
    const { data: token } = (await loginOver(kept.port, { username: 'short', password: 'short-pw' })).json;
    await boss.call('revokeToken', { token });
  }
  const count = async () => (await boss.call('listRevokedTokens', { count: true })).value;
  while ((await count()) > 1);
  assert.equal(await count(), 1, 'what has no end is kept');
});

test('a client does not choose who checks its password', async () => {
  const raw = await Raw.open(server.port);
  for (const authType of ['other', 'happn', { a: 1 }]) {
    assert.equal((await raw.call('login', { username: '_ADMIN', password: 'wrong', authType }))._meta.error.code, 401);
  }
  raw.close();
});

test('a group whose permissions are wrong is not stored', async () => {
  await assert.rejects(admin.call('upsertGroup', { group: { name: 'half', permissions: { '/ok': { actions: ['get'] }, '/x': { actions: ['fly'] }, '/y': {} } } }), (error) => {
    assert.equal(error.message, 'group permissions invalid: unknown action: fly for path: /x,missing allowed actions or prohibit rules: /y');
    return error.status === 400;
  });
  assert.equal(await admin.call('getGroup', { name: 'half' }), null);
});

test('wrong logins by the hundred: everybody else is served, and the limit of one address holds', async (t) => {
  const limited = await startSecured({ loginsPerMinute: 20, accountLockout: { enabled: false } });
  t.after(() => limited.stop());
  const statuses = await Promise.all(Array.from({ length: 200 }, (_, i) => loginOver(limited.port, { username: `n${i}`, password: 'x' }).then((answer) => answer.status)));
  assert.equal(statuses.filter((status) => status === 401).length, 20);
  assert.equal(statuses.filter((status) => status === 403).length, 180);
  assert.equal((await ask(limited.port, 'GET', '/ping')).text, 'pong');
});
