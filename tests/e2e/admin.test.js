// The administrators' commands, on a running server and on the database of a stopped one.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { Client } = require('./support/clients');
const { startSecured, Admin, ask } = require('./support/admin');
const { program } = require('./support/server');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-admin-'));
const secret = (name, text) => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, `${text}\n`);
  return file;
};
/** Runs a command without a terminal: { code, out, err }. */
const run = (args, env = {}) => new Promise((resolve) => {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let out = '', err = '';
  child.stdout.on('data', (part) => { out += part; });
  child.stderr.on('data', (part) => { err += part; });
  child.on('close', (code) => resolve({ code, out, err }));
});
test.after(() => fs.rmSync(folder, { recursive: true }));

test('changes that are asked for at once know of each other, also while a file is being written', async (t) => {
  const server = await startSecured({}, {}, ['--file', path.join(folder, 'at_once.db')]);
  t.after(() => server.stop());
  const admin = await Admin.login(server.port);
  const all = (count, call) => Promise.all(Array.from({ length: count }, (_, n) => call(n)));
  const made = async (verb, args) => (await Promise.allSettled(Array.from({ length: 4 }, (_, n) => admin.call(verb, { ...args(n), overwrite: false }))))
    .map(({ status, reason }) => (status === 'fulfilled' ? 'made' : reason.message.replace(/.*already/, 'already'))).sort();
  const once = ['already exists', 'already exists', 'already exists', 'made'];
  assert.deepEqual(await made('upsertUser', (n) => ({ user: { username: 'one', password: `pw ${n}` } })), once, 'whoever comes second gets no account of another');
  assert.deepEqual(await made('upsertGroup', (n) => ({ group: { name: 'one', n } })), once);
  await all(4, (n) => admin.call('upsertUser', { user: { username: 'one', [`m${n}`]: n } }));
  const user = await admin.call('getUser', { username: 'one' });
  assert.deepEqual([user.m0, user.m1, user.m2, user.m3], [0, 1, 2, 3]);
  const permission = (n) => ({ regex: `^/${n}/(.*)`, actions: ['get'], table: 'tab', path: `/${n}/{{$1}}` });
  await all(6, (n) => admin.call('upsertLookupPermission', { group: 'one', permission: permission(n) }));
  await all(3, (n) => admin.call('removeLookupPermission', { group: 'one', permission: permission(n) }));
  const left = await admin.call('fetchLookupPermissions', { group: 'one' });
  assert.deepEqual(left.map(({ regex }) => regex).sort(), ['^/3/(.*)', '^/4/(.*)', '^/5/(.*)']);
});

test('a name from an imported database is no pattern: who is called bo* is removed alone', async (t) => {
  const file = path.join(folder, 'stars.db'), source = path.join(folder, 'stars.jsonl');
  const documents = [['_USER/bo*', { username: 'bo*' }], ['_USER/bob', { username: 'bob' }], ['_USER/bob/_USER_GROUP/st', {}], ['_USER/bo*/_USER_GROUP/st', {}],
    ['_GROUP/st', { name: 'st' }], ['_GROUP/s*', { name: 's*' }]];
  fs.writeFileSync(source, documents.map(([name, data]) => JSON.stringify({ path: `/_SYSTEM/_SECURITY/${name}`, data, created: 1, modified: 1 })).join('\n'));
  assert.equal((await run(['import', '--db', file, source])).code, 0);
  let server = await startSecured({}, {}, ['--file', file]);
  t.after(() => server.stop());
  let admin = await Admin.login(server.port);
  assert.equal((await admin.call('deleteUser', { username: 'bo*' })).obj.data.removed, 1);
  await admin.call('deleteGroup', { name: 's*' });
  await server.stop();
  server = await startSecured({}, {}, ['--file', file]);
  admin = await Admin.login(server.port);
  assert.deepEqual((await admin.call('listUsers', { name: 'bo' })).map(({ username }) => username), ['bob']);
  assert.deepEqual((await admin.call('listGroups', { name: 's' })).map(({ name }) => name), ['st']);
  assert.equal((await admin.call('getGroupMemberships', { username: 'bob' })).length, 1);
});

test('users, groups, permissions, sessions and tokens of a running server', async () => {
  const server = await startSecured();
  const at = ['--url', `http://127.0.0.1:${server.port}`, '--password-file', secret('admin', 'secret')];
  const ok = async (...args) => {
    const result = await run([...args, ...at]);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.err}`);
    return result.out;
  };
  await ok('user', 'add', 'bob', '--new-password-file', secret('bob', 'bob-pw'), '--custom-data', '{"site":"s1"}');
  await ok('group', 'add', 'staff');
  await ok('group', 'link', 'staff', 'bob');
  await ok('permission', 'allow', '/staff/*', 'get', 'set', 'on', '--group', 'staff');
  await ok('permission', 'prohibit', '/staff/no', 'set', '--user', 'bob');
  assert.match(await ok('user', 'list'), /^username +userid +custom_data\n_ADMIN[^\n]+\nbob +[0-9a-f-]{36} +\{"site":"s1"\}\n$/);
  assert.deepEqual(JSON.parse(await ok('permission', 'list', '--group', 'staff', '--json')).map((each) => each.action).sort(), ['get', 'on', 'set']);
  const client = await Client.connect('13', server.port, { username: 'bob', password: 'bob-pw' });
  await client.set('/staff/a', {});
  await assert.rejects(client.set('/staff/no', {}), /unauthorized/);
  const [row] = JSON.parse(await ok('session', 'list', '--json'));
  assert.equal(row.username, 'bob');
  const ended = new Promise((resolve) => client.inner.onEvent('session-ended', resolve));
  await ok('session', 'revoke', row.id, '--reason', 'lost');
  assert.equal((await ended).reason, 'token-revoked');
  assert.match(await ok('token', 'list'), /lost/);
  await ok('token', 'restore', row.tokenId);
  await ok('permission', 'remove', '/staff/*', 'set', '--group', 'staff');
  await ok('user', 'password', 'bob', '--new-password-file', secret('bob2', 'new-pw'));
  const again = await Client.connect('13', server.port, { username: 'bob', password: 'new-pw' });
  await assert.rejects(again.set('/staff/a', {}), /unauthorized/);
  await again.disconnect();
  await ok('group', 'unlink', 'staff', 'bob');
  assert.deepEqual(JSON.parse(await ok('user', 'show', 'bob')).groups, {});
  await ok('user', 'remove', 'bob');
  await ok('group', 'remove', 'staff');
  await server.stop();
});

test('what cannot be done is said, with an exit code', async () => {
  const server = await startSecured();
  const url = ['--url', `http://127.0.0.1:${server.port}`];
  const admin = [...url, '--password-file', secret('admin', 'secret')];
  const fails = async (args, code, text, env) => {
    const result = await run(args, env);
    assert.equal(result.code, code, result.err);
    assert.match(result.err, text);
  };
  await fails(['user', 'list', ...url], 1, /cannot log in as _ADMIN: Invalid credentials/, { HAPPN_PASSWORD: 'wrong' });
  await fails(['user', 'list', ...url], 1, /no password/);
  await fails(['user', 'show', 'nobody', ...admin], 1, /there is no user nobody/);
  await fails(['user', 'add', 'a/b', '--new-password-file', secret('x', 'x'), ...admin], 1, /cannot contain a forward slash/);
  await fails(['user', 'add', '_ADMIN', '--new-password-file', secret('x', 'x'), ...admin], 1, /already exists/);
  await fails(['permission', 'allow', '/x', 'fly', '--group', '_ADMIN', ...admin], 1, /unknown action: fly/);
  await fails(['permission', 'allow', '/x', 'get', ...admin], 2, /--group NAME or --user NAME/);
  await fails(['group', 'link', 'x', ...admin], 2, /usage: happn group link GROUP USER/);
  await fails(['user', 'dance', ...admin], 2, /usage: happn user VERB/);
  await fails(['user', 'list', '--wrong'], 2, /there is no option --wrong/);
  await fails(['user', 'list', '--url', 'http://127.0.0.1:1', '--token', 'x'], 1, /nothing answers/);
  await fails(['user', 'list', '--url', 'nonsense', '--token', 'x'], 1, /no address of a server/);
  await fails(['user', 'list', ...url, '--token', 'x.y.z'], 1, /administrator's token/);
  await fails(['user', 'list', '--file', path.join(folder, 'none.db')], 1, /there is no database/);
  const help = await run(['token', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.out, /restore ID/);
  await server.stop();
});

test('over https, and on the database of a stopped server', async () => {
  const db = path.join(folder, 'documents.db'), cert = path.join(folder, 'cert.pem'), key = path.join(folder, 'key.pem');
  const transport = { services: { transport: { config: { mode: 'https', certPath: cert, keyPath: key } } } };
  const server = await startSecured({}, transport, ['--file', db]);
  const at = ['--url', `https://127.0.0.1:${server.port}`, '--password-file', secret('admin', 'secret')];
  assert.match((await run(['user', 'list', ...at])).err, /not trusted/);
  assert.equal((await run(['user', 'list', ...at, '--insecure'])).code, 0);
  assert.equal((await run(['user', 'list', ...at, '--ca', cert])).code, 0);
  assert.match((await run(['user', 'list', '--file', db])).err, /in use|serves|other/i, 'while it is served');
  await server.stop();
  const added = await run(['user', 'add', 'off', '--file', db, '--new-password-file', secret('off', 'off-pw')]);
  assert.equal(added.code, 0, added.err);
  assert.match((await run(['user', 'list', '--file', db])).out, /off/);
  await server.launch();
  const client = await Client.connect('13', server.port, { protocol: 'https', allowSelfSignedCerts: true, username: 'off', password: 'off-pw' });
  await client.disconnect();
  await server.stop();
});

test('a member of a user\'s record is replaced, however long its name is', async (t) => {
  const server = await startSecured();
  t.after(() => server.stop());
  const boss = await Admin.login(server.port);
  const long = 'k'.repeat(200);
  await boss.call('upsertUser', { user: { username: 'u', password: 'p', [long]: 1, short: 1 } });
  await boss.call('upsertUser', { user: { username: 'u', [long]: 2, short: 2 } });
  const { text } = await ask(server.port, 'POST', '/_admin/getUser', { headers: { authorization: `Bearer ${boss.token}` }, body: '{"username":"u"}' });
  assert.equal(text.split(`"${long}":`).length, 2, text);
  assert.equal(JSON.parse(text)[long], 2);
});

test('only an administrator\'s bearer token opens the interface, and only POST changes something', async () => {
  const server = await startSecured();
  const boss = await Admin.login(server.port);
  await boss.user('plain', { '*': { actions: ['*'] } });
  const plain = await Admin.login(server.port, 'plain-pw', 'plain');
  await assert.rejects(plain.call('listUsers'), /only members of the group _ADMIN/);
  const cookie = await ask(server.port, 'POST', '/_admin/listUsers', { headers: { cookie: `happn_token=${boss.token}` }, body: '{}' });
  assert.equal(cookie.status, 401);
  const get = await ask(server.port, 'GET', '/_admin/listUsers', { headers: { authorization: `Bearer ${boss.token}` } });
  assert.equal(get.status, 405);
  const list = await ask(server.port, 'GET', '/_admin', { headers: { authorization: `Bearer ${boss.token}` } });
  assert.ok(list.json.some((each) => each.verb === 'upsertUser'));
  for (const body of ['[', '5', '[]', '"x"']) {
    const answer = await ask(server.port, 'POST', '/_admin/listUsers', { headers: { authorization: `Bearer ${boss.token}` }, body });
    assert.equal(answer.status, 400, body);
  }
  const broken = Buffer.concat([Buffer.from('{"user":{"username":"x'), Buffer.from([0xff]), Buffer.from('","password":"p"}}')]);
  const answer = await ask(server.port, 'POST', '/_admin/upsertUser', { headers: { authorization: `Bearer ${boss.token}` }, body: broken });
  assert.equal(answer.status, 400, 'what is not UTF-8 would close the connections of whoever is told of it');
  await boss.call('linkGroup', { group: '_ADMIN', username: 'plain' });
  assert.ok((await plain.call('listUsers')).length >= 2, 'it counts at once');
  await server.stop();
});
