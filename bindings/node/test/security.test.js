'use strict';
// Administration by happn-3's names; the same program runs with happn-3 13 itself, where it is installed, and has to give the same.

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { promisify } = require('util');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));
const original = path.join(__dirname, '..', '..', '..', 'tests', 'e2e', 'node_modules', 'happn-13');

const config = () => ({ // the original writes into it
  secure: true,
  port: 0,
  utils: { logLevel: 'error' },
  services: { security: { config: { adminUser: { password: 'secret' }, pbkdf2Iterations: 10 } } },
});

/** A program that was written for happn-3. */
async function program(library, port) {
  const seen = [];
  const service = await library.service.create({ ...config(), port });
  const { users, groups } = service.services.security;
  const group = await groups.upsertGroup({ name: 'line', custom_data: { floor: 2 }, permissions: { '/line/*': { actions: ['get', 'set', 'on'] } } });
  seen.push([group.name, group.custom_data, group.permissions]);
  const user = await promisify(users.upsertUser.bind(users))({ username: 'ann', password: 'hers', custom_data: { n: 1 } }, { overwrite: false });
  seen.push([user.username, user.custom_data, user.password]);
  await groups.linkGroup(group, user, { data: { since: 1 } });
  seen.push(Object.keys((await users.getUser('ann')).groups));
  seen.push((await users.listUsers('an*')).map((one) => one.username));
  seen.push((await groups.listGroups('line*')).map((one) => one.name));
  seen.push(await users.listUserNamesByGroup('line'));
  seen.push(await users.userBelongsToGroups('ann', ['line']));
  seen.push((await groups.getGroup('line')).permissions['/line/*'].actions.sort()); // in no order
  const local = await service.services.session.localClient({ username: 'ann', password: 'hers' });
  await local.set('/line/1', { n: 1 });
  seen.push((await local.get('/line/1')).n);
  seen.push(await local.set('/other', { n: 1 }).then(() => 'allowed', (error) => error.name));
  await groups.upsertPermission('line', '/other', 'set', true);
  seen.push(await local.set('/other', { n: 1 }).then(() => 'allowed', (error) => error.name));
  const admin = await service.services.session.localAdminClient();
  seen.push((await admin.get('/other')).n);
  await groups.unlinkGroup(group, user);
  seen.push(await local.set('/other', { n: 1 }).then(() => 'allowed', (error) => error.name));
  seen.push(await users.upsertUser({ username: 'x' }).then(() => 'made', (error) => error.message));
  await local.disconnect();
  await admin.disconnect();
  await users.deleteUser(user);
  seen.push(await users.getUser('ann'));
  await groups.deleteGroup(group);
  seen.push(await groups.getGroup('line'));
  await service.stop();
  return seen;
}

test('a program for happn-3 administers', async (t) => {
  const ours = await program(happn, 0);
  assert.deepStrictEqual(ours[0].slice(0, 2), ['line', { floor: 2 }]);
  assert.deepStrictEqual(ours.slice(-8), [1, 'AccessDenied', 'allowed', 1, 'AccessDenied', 'validation failure: no password or publicKey specified for a new user', null, null].slice(-8));
  if (!fs.existsSync(original)) {
    t.diagnostic('happn-3 is not installed here: nothing to compare with');
    return;
  }
  const theirs = await program(require(original), 0);
  assert.deepStrictEqual(ours, theirs);
});

async function secured(run) {
  const service = await happn.service.create(config());
  const admin = await happn.connect({ port: service.port, username: '_ADMIN', password: 'secret' });
  try {
    await run(admin, service);
  } finally {
    await admin.disconnect();
    await service.stop();
  }
}

test('the same from afar, with promises and callbacks', () => secured(async (admin) => {
  const { users, groups } = admin.security;
  await users.upsertUser({ username: 'far', password: 'p' });
  await groups.upsertGroup({ name: 'G' });
  await promisify(groups.linkGroup)('G', 'far');
  assert.deepStrictEqual(await users.listUserNamesByGroup('G'), ['far']);
  assert.deepStrictEqual(await admin.security.call('listUsers', { name: 'far', count: true }), { value: 1 });
  await assert.rejects(groups.linkGroup('none', 'far'), { status: -8, message: /group does not exist/ });
  await assert.rejects(admin.security.call('fly'), { message: 'there is no verb fly' });
  await admin.security.lookupTables.upsertLookupTable({ name: 'T', paths: ['/a/1'] });
  assert.deepStrictEqual((await admin.security.lookupTables.fetchLookupTable('T')).paths.length, 1);
  const error = await new Promise((resolve) => users.upsertUser(null, resolve));
  assert.match(error.message, /user is null/);
}));

test('sessions and tokens', () => secured(async (admin, service) => {
  const { security, session } = service.services;
  await security.users.upsertUser({ username: 't', password: 'p' });
  const client = await happn.connect({ port: service.port, username: 't', password: 'p' });
  const { token, id } = client.session;
  assert.deepStrictEqual((await security.listActiveSessions({ username: 't' })).map((one) => one.id), [id]);
  let ended = new Promise((resolve) => client.onEvent('connection-ended', resolve));
  await security.revokeToken(token, 'lost');
  await ended;
  await assert.rejects(happn.connect({ port: service.port, token }), { status: -14 });
  assert.deepStrictEqual((await admin.security.listRevokedTokens()).map((one) => one.reason), ['lost']);
  await security.restoreToken(token);
  const again = await happn.connect({ port: service.port, token });
  ended = new Promise((resolve) => again.onEvent('connection-ended', resolve));
  await new Promise((resolve, reject) => session.disconnectSession(again.session.id, (error) => (error ? reject(error) : resolve()), { reason: 'enough' }));
  assert.strictEqual(await ended, 'enough');
}));

test('one\'s own login', () => secured(async (admin, service) => {
  await admin.security.users.upsertUser({ username: 'o', password: 'old' });
  const first = await happn.connect({ port: service.port, username: 'o', password: 'old' });
  await assert.rejects(first.changePassword({ oldPassword: 'x', newPassword: 'new' }), /Invalid old password/);
  await first.changePassword({ oldPassword: 'old', newPassword: 'new' });
  await first.disconnect();
  const second = await happn.connect({ port: service.port, username: 'o', password: 'new' });
  await second.disconnect({ revokeToken: true });
  await assert.rejects(happn.connect({ port: service.port, token: second.session.token }), { status: -14 });
}));
