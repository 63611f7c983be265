// `administer`, what our clients administer with over their connection (docs/internals/client.md): who may, what bad input gets, who is told.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const { Admin, ask, startSecured } = require('./support/admin');
const { Server } = require('./support/server');

/** A connection that speaks as our clients do; say() resolves with the answer. */
async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
  const waiting = new Map();
  let last = 0;
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    const take = waiting.get(message._meta?.eventId);
    if (take) take(message);
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  const say = (action, data) => new Promise((resolve) => {
    waiting.set(++last, resolve);
    socket.send(JSON.stringify({ action, eventId: last, data }));
  });
  await say('configure-session', { protocol: 'happn_2', leavesWithLogin: true });
  return { socket, say, closed };
}

const layer = `return { inbound = function(msg)
    if msg.action == "administer" then happn.shared.set("seen", msg.data and happn.table(msg.data)) end
  end }`;
const route = 'return { ["GET /"] = function(req) return happn.shared.get("seen") or happn.array {} end }';

test('only administrators, and bad input gets an error by name', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  fs.writeFileSync(path.join(folder, 'layer.lua'), layer);
  fs.writeFileSync(path.join(folder, 'route.lua'), route);
  const server = await startSecured({}, { services: {
    protocol: { config: { inboundLayers: [{ script: 'layer.lua' }] } },
    connect: { config: { routes: [{ script: 'route.lua', mount: '/seen' }] } },
    script: { config: { root: folder } },
  } });
  const peer = await connect(server.port);
  const list = { verb: 'listUsers', arguments: {} };
  assert.equal((await peer.say('administer', list))._meta.status, 'error'); // nobody is logged in
  const boss = await Admin.login(server.port);
  await boss.user('ann', { '/a/*': { actions: ['*'] } });
  await peer.say('login', { username: 'ann', password: 'ann-pw' });
  const refused = await peer.say('administer', list);
  assert.deepEqual([refused._meta.error.name, refused._meta.error.code, refused._meta.error.message], ['AccessDenied', 403, 'only members of the group _ADMIN may do this']);
  await peer.say('login', { username: '_ADMIN', password: 'secret' });
  assert.deepEqual((await peer.say('administer', list)).data.map((user) => user.username), ['_ADMIN', 'ann']);
  for (const data of [null, 5, [], {}, { verb: 5 }, { verb: '' }, { verb: 'listUsers', arguments: [] }, { verb: 'listUsers', arguments: 'x' }, { arguments: {} }, { verb: 'x'.repeat(5000) }]) {
    const answer = await peer.say('administer', data);
    assert.equal(answer._meta.status, 'error', JSON.stringify(data));
    assert.ok(answer._meta.error.message.length < 500);
  }
  await peer.say('administer', { verb: 'upsertUser', arguments: { user: { username: 'bob', password: 'told to nobody' } } });
  const seen = await ask(server.port, 'GET', '/seen', { headers: { authorization: `Bearer ${boss.token}` } });
  assert.deepEqual(seen.json, { verb: 'upsertUser' }); // layers see what is done, not the passwords
  assert.doesNotMatch(server.log.join('\n'), /told to nobody/);
  await peer.say('login', { username: 'bob', password: 'told to nobody' });
  await boss.call('deleteUser', { username: 'bob' });
  await peer.closed; // its login has ended, and it asked to be told so
  await server.stop();
});

test('one whose token is revoked goes, in the protocol of older clients, too, when it asked for that', async () => {
  const server = await startSecured();
  const boss = await Admin.login(server.port);
  await boss.user('ann', { '/a/*': { actions: ['*'] } });
  const [ours, older] = [await connect(server.port), await connect(server.port)];
  await older.say('configure-session', { protocol: 'happn_2' });
  const { token } = (await ours.say('login', { username: 'ann', password: 'ann-pw' })).data;
  await older.say('login', { token });
  await boss.call('revokeToken', { token });
  await ours.closed;
  assert.equal((await older.say('get', {}))._meta.status, 'error'); // still there, as the original leaves it
  older.socket.close();
  await server.stop();
});

test('a server that is not secured has nobody to administer', async () => {
  const server = await Server.start();
  const peer = await connect(server.port);
  assert.match((await peer.say('administer', { verb: 'listUsers' }))._meta.error.message, /not secured/);
  peer.socket.close();
  await server.stop();
});
