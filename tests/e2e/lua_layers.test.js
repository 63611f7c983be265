// What layers of the original saw (tests/vectors/layers.json): a Lua layer is shown the same message in each situation, and can change, answer
// and refuse it.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const { Admin, ask, startSecured } = require('./support/admin');
const { captures } = require('../vectors/layers.json');

const layer = `
  local function note(name, entry)
    local list = happn.shared.get(name) or happn.array {}
    list[#list + 1] = entry
    happn.shared.set(name, happn.array(list))
  end
  return {
    inbound = function(msg)
      if msg.session.protocol == "http" then return end
      note("inbound", { action = msg.action, path = msg.channel or msg.path, data = msg.data and happn.table(msg.data), options = happn.table(msg.options), user = msg.session.username })
    end,
    outbound = function(msg)
      note(msg.direction, { path = msg.path, data = happn.table(msg.data) })
    end,
  }`;
const route = `return { ["GET /{name}"] = function(req)
    local list = happn.shared.get(req.params.name) or happn.array {}
    happn.shared.set(req.params.name, nil)
    return happn.array(list)
  end }`;

/** A connection that sends messages as they were, and resolves with the answer to each. */
async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
  const waiting = new Map();
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    const meta = Array.isArray(message) ? message[message.length - 1] : message._meta; // older lists have it at their end
    const take = meta?.type !== 'ack' && waiting.get(message.eventId ?? meta?.eventId);
    if (take) take(message);
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  return { socket, send: (message) => new Promise((resolve) => { waiting.set(message.eventId, resolve); socket.send(JSON.stringify(message)); }) };
}

for (const [version, situations] of Object.entries(captures)) {
  test(`${version}: a Lua layer sees what a JavaScript layer saw, in ${situations.length} situations`, async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
    fs.writeFileSync(path.join(folder, 'layer.lua'), layer);
    fs.writeFileSync(path.join(folder, 'route.lua'), route);
    const server = await startSecured({ adminUser: { password: 'happn' } }, { services: {
      protocol: { config: { inboundLayers: [{ script: 'layer.lua', secrets: true }], outboundLayers: [{ script: 'layer.lua', secrets: true }] } },
      connect: { config: { routes: [{ script: 'route.lua', mount: '/seen' }] } },
      script: { config: { root: folder } },
    } });
    t.after(() => server.child.kill('SIGKILL'));
    const boss = await Admin.login(server.port, 'happn');
    const seen = async (name) => (await ask(server.port, 'GET', `/seen/${name}`, { headers: { authorization: `Bearer ${boss.token}` } })).json;
    const main = await connect(server.port);
    let count = 0;
    for (const { situation, inbound, publications } of situations) {
      const { send, socket } = situation === 'login failure' ? await connect(server.port) : main;
      for (const message of inbound) {
        const answered = send(message);
        if (message.action !== 'ack' && message.action !== 'disconnect' && message.options?.consistency !== 3) await answered;
      }
      let got = [];
      while (got.length < inbound.length) got = got.concat(await seen('inbound'));
      inbound.forEach((message, i) => {
        assert.equal(got[i].action, message.action, situation);
        assert.deepEqual(got[i].path ?? null, message.path ?? null, situation);
        assert.deepEqual(got[i].data ?? null, message.data ?? null, situation);
        assert.deepEqual(got[i].options, message.options ?? {}, situation);
        if (situation !== 'login failure' && message.path) assert.equal(got[i].user, '_ADMIN', situation);
        count++;
      });
      const heard = (await seen('publication')).map(({ path: at, data }) => [at, data]);
      assert.deepEqual(heard, publications.map(({ path: at, data }) => [at, data]), situation);
      if (socket !== main.socket) socket.terminate();
    }
    assert.ok(count >= 16, `${count} messages were compared`);
    main.socket.terminate();
    await server.stop();
    fs.rmSync(folder, { recursive: true });
  });
}
