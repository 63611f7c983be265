// Lookup tables on the wire: what they allow, at once and while a subscription lives, and the hole of the original.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Client, Events } = require('./support/clients');
const { Admin, startSecured } = require('./support/admin');

const permission = { regex: '^/data/(.*)/(.*)', actions: ['get', 'set', 'on'], table: 'devices', path: '/{{user.custom_data.company}}/{{$1}}' };
let server, admin;

test.before(async () => {
  server = await startSecured();
  admin = await Admin.login(server.port);
  await admin.user('ann', { '/data/dev2/secret': { prohibit: ['get'] } }, { custom_data: { company: 'acme' } });
  await admin.user('bob', {}, { custom_data: { company: 'other' } });
});
test.after(() => server.stop());

const login = (generation, name) => Client.connect(generation, server.port, { username: name, password: `${name}-pw` });
const refused = (promise) => assert.rejects(promise, (error) => error.code === 403);

for (const generation of ['6', '8', '13']) {
  test(`${generation}: a lookup permission allows what the table lists, from the moment it does`, async () => {
    const ann = await login(generation, 'ann');
    await refused(ann.set('/data/dev1/x', { n: 0 }));
    await admin.call('upsertLookupTable', { table: { name: 'devices', paths: ['/acme/dev1', 'acme/dev2'] } });
    await admin.call('upsertLookupPermission', { group: 'of-ann', permission });
    await admin.call('upsertLookupPermission', { group: 'of-ann', permission }); // once is enough
    await admin.call('upsertLookupPermission', { group: 'of-bob', permission });
    assert.deepEqual(await admin.call('fetchLookupPermissions', { group: 'of-ann' }), [permission]);
    assert.deepEqual((await admin.call('fetchLookupTable', { name: 'devices' })).paths.sort(), ['acme/dev1', 'acme/dev2']);
    const events = new Events();
    await ann.on('/data/dev1/*', {}, events.handler);
    await ann.set('/data/dev1/x', { n: 1 });
    assert.equal((await events.next()).data.n, 1);
    assert.equal((await ann.get('/data/dev1/x')).n, 1);
    await refused(ann.get('/data/dev3/x'));
    await refused(ann.get('/data/*/x')); // the hole
    await refused(ann.get('/data/dev2/secret')); // a prohibition comes first
    await refused(ann.remove('/data/dev1/x'));
    const bob = await login(generation, 'bob');
    await refused(bob.get('/data/dev1/x'));
    await bob.disconnect();
    await admin.call('removePath', { table: 'devices', path: '/acme/dev1' });
    await refused(ann.get('/data/dev1/x'));
    const boss = await Client.connect('13', server.port, { username: '_ADMIN', password: 'secret' });
    await boss.set('/data/dev1/x', { n: 2 }); // not heard any more
    await admin.call('insertPath', { table: 'devices', path: '/acme/dev1' });
    await ann.on('/data/dev1/*', {}, events.handler);
    await boss.set('/data/dev1/x', { n: 3 });
    assert.equal((await events.next()).data.n, 3);
    await boss.disconnect();
    await admin.call('removeLookupPermission', { group: 'of-ann', permission });
    await refused(ann.get('/data/dev1/x'));
    assert.deepEqual(await admin.call('fetchLookupPermissions', { group: 'of-ann' }), []);
    await admin.call('removeAllTablePermission', { group: 'of-bob', table: 'devices' });
    await admin.call('deleteLookupTable', { name: 'devices' });
    assert.deepEqual((await admin.call('fetchLookupTable', { name: 'devices' })).paths, []);
    await ann.disconnect();
  });
}

test('what is wrong is refused, and nothing of it is kept', async () => {
  const wrong = [
    ['upsertLookupTable', { table: { name: 'a/b', paths: [] } }], ['upsertLookupTable', { table: { name: 't', paths: ['ok', 'a*'] } }],
    ['insertPath', { table: 't', path: '' }], ['insertPath', { table: '*', path: 'x' }], ['removePath', { table: 't', path: '*' }],
    ['upsertLookupPermission', { group: 'nobody', permission }], ['upsertLookupPermission', { group: 'of-ann', permission: { ...permission, regex: '(' } }],
    ['upsertLookupPermission', { group: 'of-ann', permission: { ...permission, actions: ['fly'] } }], ['upsertLookupPermission', { group: 'of-ann' }],
    ['fetchLookupPermissions', {}], ['fetchLookupTable', {}],
  ];
  for (const [verb, args] of wrong) await assert.rejects(admin.call(verb, args), (error) => [400, 404].includes(error.status), `${verb} ${JSON.stringify(args)}`);
  assert.deepEqual((await admin.call('fetchLookupTable', { name: 't' })).paths, []);
  assert.deepEqual(await admin.call('fetchLookupPermissions', { group: 'of-ann' }), []);
});

test('a group and a table may have the same name, or each the other\'s', async (t) => {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'happn-lookup-')), 'data.db');
  const start = async () => {
    const started = await startSecured({}, {}, ['--file', file]);
    return { started, boss: await Admin.login(started.port) };
  };
  const pairs = [['same', 'same'], ['one', 'two'], ['two', 'one']];
  const ask = (table) => ({ ...permission, table });
  const left = (boss) => Promise.all(['same', 'one', 'two'].map(async (group) => (await boss.call('fetchLookupPermissions', { group })).map(({ table }) => table)));
  let { started, boss } = await start();
  t.after(() => started.stop());
  for (const name of ['same', 'one', 'two']) await boss.call('upsertGroup', { group: { name } });
  for (const [group, table] of pairs) await boss.call('upsertLookupPermission', { group, permission: ask(table) });
  assert.deepEqual(await left(boss), [['same'], ['two'], ['one']]);
  await started.stop();
  ({ started, boss } = await start());
  assert.deepEqual(await left(boss), [['same'], ['two'], ['one']], 'also after a start');
  await boss.call('removeLookupPermission', { group: 'one', permission: ask('two') });
  assert.deepEqual(await left(boss), [['same'], [], ['one']]);
  await started.stop();
  ({ started, boss } = await start());
  assert.deepEqual(await left(boss), [['same'], [], ['one']]);
});

test('a group that is made anew has none of the permissions of the one before', async () => {
  await admin.call('upsertGroup', { group: { name: 'again', permissions: { '/again': { actions: ['get'] } } } });
  await admin.call('upsertLookupPermission', { group: 'again', permission: { ...permission, table: 'one' } });
  await admin.call('upsertLookupPermission', { group: 'again', permission: { ...permission, table: 'two' } });
  await admin.call('deleteGroup', { name: 'again' });
  await admin.call('upsertGroup', { group: { name: 'again' } });
  assert.deepEqual(await admin.call('fetchLookupPermissions', { group: 'again' }), []);
  assert.deepEqual((await admin.call('getGroup', { name: 'again' })).permissions, {});
});
