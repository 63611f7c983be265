// Administrators who change everything at once: what counts while the server runs is what it has after the next start.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Admin, startSecured } = require('./support/admin');

const ROUNDS = 3, BATCHES = 6, AT_ONCE = 25;
let seed = Number(process.env.HAPPN_SEED || Date.now() % 1000000);
const draw = (count) => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor(seed / 65536) % count;
};
const pick = (list) => list[draw(list.length)];

// Names that lie where actions, paths, tables and other groups have theirs.
const users = ['u', 'v', 'get', 'a b', 'é'], groups = ['g', 'h', 'get', 'on', 't', 'g/h', 'h/g'], tables = ['t', 'g', 'h'];
const paths = ['/x', '/x/*', '*', '/{{user.username}}/a', 'x', 'get/x', '/é*'], actions = ['get', 'set', 'on', '*', 'remove', 'options'];
const rows = ['a', 'b/c', 'é'];
const some = () => [pick(actions)];
const permissions = () => Object.fromEntries(Array.from({ length: draw(3) }, () => [pick(paths),
  pick([{ actions: some() }, { prohibit: some() }, { actions: some(), prohibit: some() }, { actions: some(), remove: true }])]));
const lookup = () => ({ regex: `^/${draw(3)}/(.*)`, actions: [pick(['get', 'on'])], table: pick(tables), path: '/q/{{$1}}' });
const group = () => {
  const names = pick(groups).split('/');
  return { group: { name: names.at(-1), d: draw(9), permissions: permissions() }, ...(names[1] ? { parent: names[0] } : {}) };
};
const owner = () => pick([{ group: pick(groups) }, { username: pick(users) }]);
const verbs = [
  () => ['upsertUser', { user: { username: pick(users), password: 'p', [`m${draw(3)}`]: draw(9), permissions: permissions() } }],
  () => ['upsertUser', { user: { username: pick(users), password: 'p' }, overwrite: false }],
  () => ['upsertUser', { user: { username: pick(users), [`m${draw(3)}`]: draw(9) } }],
  () => ['deleteUser', { username: pick(users) }],
  () => ['upsertGroup', group()],
  () => ['deleteGroup', { name: pick(groups) }],
  () => ['linkGroup', { group: pick(groups), username: pick(users), data: { n: draw(5) } }],
  () => ['linkGroup', { group: pick(groups), username: pick(users) }],
  () => ['unlinkGroup', { group: pick(groups), username: pick(users) }],
  () => ['upsertPermission', { ...owner(), path: pick(paths), action: pick(actions), authorized: draw(2) === 0 }],
  () => ['removePermission', { ...owner(), path: pick(paths), action: pick(actions) }],
  () => ['upsertLookupTable', { table: { name: pick(tables), paths: [pick(rows)] } }],
  () => ['removePath', { table: pick(tables), path: pick(rows) }],
  () => ['deleteLookupTable', { name: pick(tables) }],
  () => ['upsertLookupPermission', { group: pick(groups), permission: lookup() }],
  () => ['removeLookupPermission', { group: pick(groups), permission: lookup() }],
  () => ['removeAllTablePermission', { group: pick(groups), table: pick(tables) }],
  () => ['resetPassword', { username: pick(users), password: 'q' }],
];

/** Lists and members in an order of their own. */
function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered).map((item) => JSON.stringify(item)).sort();
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, ordered(value[key])]));
}

async function everything(admin) {
  const all = {};
  for (const { username } of await admin.call('listUsers', { name: '*' })) {
    all[`user ${username}`] = [await admin.call('getUser', { username }), await admin.call('getGroupMemberships', { username })];
  }
  for (const { name } of await admin.call('listGroups', { name: '*' })) all[`listed ${name}`] = true;
  for (const name of groups) {
    const found = await admin.call('getGroup', { name });
    if (!found) continue;
    all[`group ${name}`] = [found, await admin.call('fetchLookupPermissions', { group: name }), await admin.call('listUserNamesByGroup', { group: name }),
      await admin.call('listPermissions', { group: name })];
  }
  for (const name of tables) all[`table ${name}`] = await admin.call('fetchLookupTable', { name });
  return ordered(all);
}

test('what counts while the server runs is what it has after the next start', async (t) => {
  t.diagnostic(`HAPPN_SEED=${seed}`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-at-once-'));
  const start = () => startSecured({}, {}, ['--file', path.join(folder, 'data.db')]);
  let server = await start();
  t.after(() => server.stop());
  for (let round = 0; round < ROUNDS; round++) {
    let admin = await Admin.login(server.port);
    let done = 0;
    for (let i = 0; i < BATCHES; i++) {
      const calls = Array.from({ length: AT_ONCE }, () => pick(verbs)());
      const results = await Promise.allSettled(calls.map(([verb, args]) => admin.call(verb, args)));
      for (const { status, reason } of results) {
        done += status === 'fulfilled';
        if (reason) assert.ok([400, 404, 409].includes(reason.status), reason.message);
      }
    }
    assert.ok(done > AT_ONCE, 'most of them are possible');
    const before = await everything(admin);
    await server.stop();
    server = await start();
    admin = await Admin.login(server.port);
    assert.deepEqual(await everything(admin), before);
  }
  fs.rmSync(folder, { recursive: true });
});
