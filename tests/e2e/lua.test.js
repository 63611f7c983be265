// Scripts edited while the server runs: nobody is disconnected, a broken script changes nothing.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');

function scripts(files) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  return { folder, file: (name) => path.join(folder, name) };
}
const config = (extra) => JSON.stringify({
  services: {
    protocol: { config: { inboundLayers: ['layer.lua'] } },
    connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } },
    ...extra,
  },
});
const layer = (text) => `return { name = "l", actions = { "set" }, inbound = function(msg) ${text} end }`;
const route = 'return { name = "r", ["GET /{id}"] = function(req) return happn.get(happn.path("/d", req.params.id)) end }';

test('SIGHUP loads edited scripts; a broken one keeps the old ones serving, with file and line', async () => {
  const { folder, file } = scripts({ 'layer.lua': layer('msg.data.v = 1'), 'route.lua': route, 'happn.json': config() });
  const server = await Server.start(['--config', file('happn.json')]);
  const client = await Client.connect('13', server.port);
  let dropped = false;
  client.inner.onEvent('connection-ended', () => { dropped = true; });
  assert.equal((await client.set('/d/a', { x: 1 })).v, 1);

  fs.writeFileSync(file('layer.lua'), layer('msg.data.v = 2'));
  const loaded = server.nextLine(/scripts were loaded/);
  server.child.kill('SIGHUP');
  await loaded;
  assert.equal((await client.set('/d/a', { x: 1 })).v, 2);

  fs.writeFileSync(file('layer.lua'), 'local x = \nreturn {{}');
  const broken = server.nextLine(/layer\.lua:2/);
  server.child.kill('SIGHUP');
  await broken;
  assert.equal((await client.set('/d/a', { x: 1 })).v, 2);
  assert.equal((await (await fetch(`http://127.0.0.1:${server.port}/r/a`)).json()).v, 2);
  assert.equal(dropped, false);
  await client.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a layer refuses with its own error, fails neutrally when it is wrong, and cannot freeze the server', async () => {
  const { folder, file } = scripts({
    'layer.lua': layer(`
      if msg.path == "/no" then happn.fail("ValidationError", "not here", { field = "path" }) end
      if msg.path == "/bug" then local nothing; return nothing.field end
      if msg.path == "/loop" then while true do pcall(function() while true do end end) end end
      if msg.path == "/much" then local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end end
      if msg.path == "/wait" then happn.set("/side", { by = "layer" }) end`),
    'route.lua': route,
    'happn.json': config(),
  });
  const server = await Server.start(['--config', file('happn.json')]);
  const client = await Client.connect('6', server.port);
  await assert.rejects(client.set('/no', { a: 1 }), (error) => error.name === 'ValidationError' && error.message === 'not here' && error.field === 'path');
  const line = server.nextLine(/layer\.lua:3/);
  await assert.rejects(client.set('/bug', { a: 1 }), (error) => error.name === 'ScriptError' && /script failed/.test(error.message));
  await line;
  await assert.rejects(client.set('/loop', { a: 1 }), { name: 'ScriptError' });
  await assert.rejects(client.set('/much', { a: 1 }), { name: 'ScriptError' });
  await client.set('/wait', { a: 1 });
  assert.equal((await client.get('/side')).by, 'layer');
  await client.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a missing script, a script with a mistake: the server does not start and says why on its last line', async () => {
  const { folder, file } = scripts({ 'layer.lua': 'return 7', 'happn.json': config() });
  await assert.rejects(Server.start(['--config', file('happn.json')]), /happn: .*layer\.lua.*$/);
  fs.writeFileSync(file('layer.lua'), layer(''));
  await assert.rejects(Server.start(['--config', file('happn.json')]), /happn: .*route\.lua.*$/);
  fs.rmSync(folder, { recursive: true });
});

test('a script\'s calls have the rights of whoever they are made for, one after the other', async (t) => {
  const { startSecured, Admin, ask } = require('./support/admin');
  const { folder, file } = scripts({
    'route.lua': 'return { name = "r", ["GET /mine"] = function(req) local ok, doc = pcall(happn.get, "/private/" .. req.query.of) return { got = ok and doc.v or doc.name } end }',
  });
  const server = await startSecured({}, { services: { connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } }, script: { config: { root: folder } } } });
  t.after(() => server.child.kill('SIGKILL'));
  const boss = await Admin.login(server.port);
  const tokens = {};
  for (const name of ['ann', 'bob']) {
    await boss.user(name, { [`/private/${name}`]: { actions: ['*'] }, '/@HTTP/r/*': { actions: ['get'] } });
    tokens[name] = (await Admin.login(server.port, `${name}-pw`, name)).token;
  }
  const get = async (who, of) => (await ask(server.port, 'GET', `/r/mine?of=${of}`, { headers: { authorization: `Bearer ${tokens[who]}` } })).json.got;
  const client = await Client.connect('13', server.port, { username: '_ADMIN', password: 'secret' });
  await client.set('/private/ann', { v: 'of ann' });
  await client.set('/private/bob', { v: 'of bob' });
  for (let round = 0; round < 3; round++) {
    assert.deepEqual([await get('ann', 'ann'), await get('bob', 'ann')], ['of ann', 'AccessDenied']);
    assert.deepEqual([await get('ann', 'bob'), await get('bob', 'bob')], ['AccessDenied', 'of bob']);
  }
  await client.disconnect();
  fs.rmSync(folder, { recursive: true });
});
