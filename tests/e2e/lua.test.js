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

test('with watch the server loads what was edited by itself, and a mended script after a broken one', async () => {
  const { folder, file } = scripts({ 'layer.lua': layer('msg.data.v = require_v'), 'route.lua': route, 'happn.json': config({ script: { config: { watch: true } } }) });
  fs.writeFileSync(file('layer.lua'), `local lib = require "values" ${layer('msg.data.v = lib.v')}`);
  fs.writeFileSync(file('values.lua'), 'return { v = 1 }');
  const server = await Server.start(['--config', file('happn.json')]);
  const client = await Client.connect('13', server.port);
  assert.equal((await client.set('/d/a', { x: 1 })).v, 1);
  for (const [text, line, v] of [['return { v = 22 }', /loaded anew/, 22], ['return { v = 3', /values\.lua:1/, 22], ['return { v = 4444 }', /loaded anew/, 4444]]) {
    const said = server.nextLine(line);
    fs.writeFileSync(file('values.lua'), text);
    await said;
    assert.equal((await client.set('/d/a', { x: 1 })).v, v);
  }
  await client.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a thousand reloads under load: every message is answered, heard once by clients and scripts, and memory comes back', async (t) => {
  const version = (n) => layer(`msg.data.v = ${n}`);
  const work = `happn.on("/load/*", { action = "set" }, function(data) happn.shared.incr("heard") happn.sleep(0) happn.shared.incr("handled") end)
    happn.every(5, function() happn.shared.incr("ticks") end) return {}`;
  const { folder, file } = scripts({
    'layer.lua': version(0), 'work.lua': work,
    'route.lua': 'return { ["GET /{name}"] = function(req) return { n = happn.shared.get(req.params.name) or 0 } end }',
    'happn.json': config({ script: { config: { scripts: ['work.lua'] } } }),
  });
  const server = await Server.start(['--config', file('happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const shared = async (name) => (await (await fetch(`http://127.0.0.1:${server.port}/r/${name}`)).json()).n;
  const listener = await Client.connect('13', server.port);
  const events = new Map();
  await listener.on('/load/*', {}, (data) => events.set(data.id, (events.get(data.id) || 0) + 1));
  const writers = await Promise.all(['1', '6', '8', '13'].map((generation) => Client.connect(generation, server.port)));
  let isOver = false;
  let sent = 0;
  const load = writers.map(async (client) => {
    while (!isOver) {
      const id = ++sent;
      assert.equal(typeof (await client.set(`/load/${id % 50}`, { id })).v, 'number');
    }
  });
  const reloads = 1000;
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);
  let early = 0;
  for (let n = 1; n <= reloads; n++) {
    if (n === reloads / 4) early = memory();
    fs.writeFileSync(file('layer.lua'), n % 8 === 7 ? 'return {' : version(n));
    const line = server.nextLine(n % 8 === 7 ? /layer\.lua:1/ : /scripts were loaded/);
    server.child.kill('SIGHUP');
    await line;
  }
  isOver = true;
  await Promise.all(load);
  while (events.size < sent) await new Promise((resolve) => setImmediate(resolve));
  while (await shared('handled') < sent) await new Promise((resolve) => setImmediate(resolve));
  assert.ok([...events.values()].every((times) => times === 1), 'each event once');
  assert.equal(await shared('heard'), sent);
  assert.equal(await shared('handled'), sent);
  assert.equal((await writers[3].set('/load/x', { id: 0 })).v, reloads);
  t.diagnostic(`${sent} messages; ${early} kB after a quarter of the reloads, ${memory()} at the end`);
  assert.ok(memory() < early * 1.5, `${early} kB after a quarter of the reloads, ${memory()} at the end`);
  await Promise.all([listener, ...writers].map((client) => client.disconnect()));
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
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('on a secured service scripts act as the user of their entry, hear of sessions, and log people in', async (t) => {
  const { startSecured, Admin, ask } = require('./support/admin');
  const { folder, file } = scripts({
    'work.lua': `
      happn.on("/orders/*", function(data, meta)
        local ok, e = pcall(happn.set, "/log/" .. data.id, { by = meta.modified_by })
        happn.shared.set("log", { ok = ok, error = not ok and e.message or nil })
      end)
      return {
        on_session = function(event, session)
          happn.shared.incr("event:" .. event .. ":" .. (session.username or "-"))
          pcall(happn.set, "/not/allowed", { v = 1 }) -- is refused, and that is not told again
        end,
        on_security = function(event, detail) happn.shared.incr("security") end,
        login = function(login, from)
          if login.code == nil then return nil end
          if login.code == "bug" then error("a mistake") end
          if login.code == "late" then happn.fail("Late", "come earlier") end
          happn.sleep(1)
          return login.code == "1234" and "ann"
        end,
      }`,
    'route.lua': 'return { ["GET /{name}"] = function(req) return { value = happn.shared.get(req.params.name) } end }',
  });
  const server = await startSecured({}, { services: {
    script: { config: { root: folder, scripts: [{ script: 'work.lua', user: 'robot', secrets: true }] } },
    connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } },
  } });
  t.after(() => server.child.kill('SIGKILL'));
  const boss = await Admin.login(server.port);
  const shared = async (name) => (await ask(server.port, 'GET', `/r/${name}`, { headers: { authorization: `Bearer ${boss.token}` } })).json.value;
  const until = async (name, test) => {
    for (;;) {
      const value = await shared(name);
      if (test(value)) return value;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await boss.user('ann', { '/orders/*': { actions: ['*'] } });
  await until('security', (n) => n > 0);
  const login = (code) => ask(server.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'x', password: code }) });
  assert.equal((await login('1')).status, 401, 'without a code it goes the usual way');

  const client = await Client.connect('13', server.port, { username: 'ann', password: 'ann-pw' });
  await until('event:authentic:ann', (n) => n >= 1);
  // The user robot does not exist yet, then may only listen, then may do both.
  await client.set('/orders/1', { id: 1 });
  await boss.user('robot', { '/orders/*': { actions: ['on'] } });
  const reloaded = server.nextLine(/scripts were loaded/);
  server.child.kill('SIGHUP');
  await reloaded;
  await client.set('/orders/2', { id: 2 });
  assert.deepEqual(await until('log', (value) => value), { ok: false, error: 'unauthorized' });
  await boss.call('upsertGroup', { group: { name: 'of-robot', permissions: { '/log/*': { actions: ['set'] } } } });
  await client.set('/orders/3', { id: 3 });
  await until('log', (value) => value.ok);
  const eye = await Client.connect('13', server.port, { username: '_ADMIN', password: 'secret' });
  assert.equal((await eye.get('/log/3')).by, 'ann');
  assert.equal(await eye.get('/log/1'), null);
  await eye.disconnect();
  await client.disconnect();
  await until('event:disconnect:ann', (n) => n >= 1);
  for (const who of ['robot', '-']) assert.equal(await shared(`event:refused:${who}`) ?? null, null);

  // Logins by a code: over a plain WebSocket, as happn clients send what is in their credentials.
  const answers = {};
  for (const code of ['1234', '9', 'late', 'bug']) answers[code] = await loginBy(server.port, { username: 'whoever', code });
  assert.equal(answers['1234'].data.user?.username ?? answers['1234'].data.username, 'ann');
  assert.equal(answers['9']._meta.error.message, 'Invalid credentials');
  assert.equal(answers.late._meta.error.message, 'come earlier');
  assert.equal(answers.bug._meta.error.message, 'the login script failed');
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a public route answers whoever asks, and knows who it is when it can', async (t) => {
  const { startSecured, Admin, ask } = require('./support/admin');
  const { folder } = scripts({
    'route.lua': `return {
      ["GET /open"] = { public = true, run = function(req) return { user = req.session.username or "nobody", got = (pcall(happn.get, "/x")) } end },
      ["POST /open"] = function() return { ok = true } end,
      ["GET /shut"] = function() return { ok = true } end,
    }`,
  });
  const server = await startSecured({}, { services: { connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } }, script: { config: { root: folder } } } });
  t.after(() => server.child.kill('SIGKILL'));
  const boss = await Admin.login(server.port);
  await boss.user('ann', {});
  const ann = await Admin.login(server.port, 'ann-pw', 'ann');
  const headers = { authorization: `Bearer ${ann.token}` };
  assert.deepEqual((await ask(server.port, 'GET', '/r/open')).json, { user: 'nobody', got: false });
  assert.deepEqual((await ask(server.port, 'GET', '/r/open', { headers })).json, { user: 'ann', got: false });
  assert.equal((await ask(server.port, 'GET', '/r/open', { headers: { authorization: 'Bearer nonsense' } })).json.user, 'nobody');
  assert.equal((await ask(server.port, 'POST', '/r/open')).status, 401);
  assert.equal((await ask(server.port, 'GET', '/r/shut', { headers })).status, 403);
  await boss.call('revokeToken', { token: ann.token });
  assert.equal((await ask(server.port, 'GET', '/r/open', { headers })).json.user, 'nobody');
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('scripts ask other servers, wait for the answer without holding up anybody, and are told what went wrong', async (t) => {
  const http = require('node:http');
  const waiting = [];
  const other = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      if (request.url === '/slow') return waiting.push(response);
      if (request.url === '/again') return response.writeHead(302, { location: '/echo' }).end();
      if (request.url === '/round') return response.writeHead(302, { location: '/round' }).end();
      if (request.url === '/large') return response.end('x'.repeat(100000));
      if (request.url === '/text') return response.writeHead(404, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] }).end('not "JSON');
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({
        method: request.method, type: request.headers['content-type'], mine: request.headers['x-mine'], agent: request.headers['user-agent'], body: Buffer.concat(parts).toString(),
      }));
    });
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => { other.closeAllConnections?.(); other.close(); });
  const base = `http://127.0.0.1:${other.address().port}`;
  const { folder } = scripts({
    'route.lua': `return {
      ["GET /get"] = function() local r = happn.http.get("${base}/echo", { headers = { ["X-Mine"] = "yes" } }) return { status = r.status, json = r:json(), type = r.headers["content-type"] } end,
      ["GET /post"] = function() return happn.http.post("${base}/echo", { list = happn.array{ 1, 2 } }):json() end,
      ["GET /put"] = function() return happn.http.request{ url = "${base}/echo", method = "PUT", body = "plain", headers = { ["Content-Type"] = "text/x" } }:json() end,
      ["GET /again"] = function() return happn.http.get("${base}/again"):json() end,
      ["GET /text"] = function() local r = happn.http.get("${base}/text") local ok, e = pcall(r.json, r) return { status = r.status, ok = ok, e = e, cookies = r.headers["set-cookie"] } end,
      ["GET /slow"] = function() return { body = happn.http.get("${base}/slow").body } end,
      ["GET /both"] = function() local a, b = happn.together(function() return happn.http.get("${base}/echo").status end, function() return happn.http.get("${base}/text").status end) return { a = a, b = b } end,
      ["GET /quick"] = function() return { quick = true } end,
      ["GET /wrong"] = function(req)
        local wrong = { round = { url = "${base}/round" }, large = { url = "${base}/large", max = 1000 }, late = { url = "${base}/slow", timeout = "50ms" }, file = { url = "file:///etc/passwd" },
          refused = { url = "http://127.0.0.1:1/" }, name = { url = "http://no such host/" }, header = { url = "${base}/echo", headers = { a = "b\\r\\nc: d" } }, method = { url = "${base}", method = "G ET" },
          option = { url = "${base}", methd = "GET" }, none = {}, half = { url = "${base}", max = 1.5 } }
        local ok, e = pcall(happn.http.request, wrong[req.query.what])
        return { ok = ok, e = type(e) == "table" and e.name .. ": " .. e.message or e }
      end,
    }`,
    'happn.json': JSON.stringify({ services: { connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } } } }),
  });
  const server = await Server.start(['--config', path.join(folder, 'happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const get = async (name) => (await fetch(`http://127.0.0.1:${server.port}/r/${name}`)).json();
  const got = await get('get');
  assert.equal(got.status, 200);
  assert.equal(got.type, 'application/json');
  assert.deepEqual([got.json.method, got.json.mine], ['GET', 'yes']);
  assert.match(got.json.agent, /^happn\//);
  const posted = await get('post');
  assert.deepEqual([posted.method, posted.type, posted.body], ['POST', 'application/json', '{"list":[1,2]}']);
  const put = await get('put');
  assert.deepEqual([put.method, put.type, put.body], ['PUT', 'text/x', 'plain']);
  assert.equal((await get('again')).method, 'GET');
  const text = await get('text');
  assert.deepEqual([text.status, text.ok, text.cookies], [404, false, 'a=1, b=2']);
  assert.match(text.e, /the answer is not JSON/);
  assert.deepEqual(await get('both'), { a: 200, b: 404 });
  const slow = get('slow');
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await get('quick'), { quick: true }, 'while another one waits');
  waiting.pop().end('at last');
  assert.deepEqual(await slow, { body: 'at last' });
  for (const [what, says] of Object.entries({
    round: /redirects/, large: /the answer is too large/, late: /timed out/i, file: /Protocol "file" (not supported|disabled)/i, refused: /HttpError: GET http:\/\/127.0.0.1:1\/: .*(refused|connect)/i,
    name: /HttpError/, header: /without line breaks/, method: /a method is a word/, option: /there is no option methd/, none: /url is missing/, half: /happn.http: max is a whole number between 0 and \d+$/,
  })) {
    const answer = await get(`wrong?what=${what}`);
    assert.equal(answer.ok, false, what);
    assert.match(answer.e, says);
  }
  const left = get('slow').catch(() => 'cut off'); // the server stops while a script waits
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await server.stop();
  await left;
  fs.rmSync(folder, { recursive: true });
});

test('answers in parts: events as they come, no more than the client reads, and an end when it leaves', async (t) => {
  const http = require('node:http');
  const { folder } = scripts({
    'route.lua': `
      local M = {}
      M["GET /events"] = function(req)
        return req:events(function(out)
          out:send({ n = 1 }, { event = "first", id = "7" })
          out:send("two\\nlines")
          out:send("a\\r\\nb\\rid: 8\\r")
          out:comment("still here")
          happn.sleep(10)
          out:send({ n = 2 })
        end)
      end
      M["GET /csv"] = function(req)
        return req:stream({ status = 206, type = "text/csv", headers = { ["x-mine"] = "yes" } }, function(out)
          for i = 1, 1000 do out:write(i .. ",x\\n") end
        end)
      end
      M["GET /much"] = function(req)
        return req:stream(function(out)
          local part = ("x"):rep(65536)
          for i = 1, 400 do out:write(part) happn.shared.incr("written") end
        end)
      end
      M["GET /for-ever"] = function(req)
        local guard <close> = setmetatable({}, { __close = function() happn.shared.incr("left") end })
        return req:events(function(out) while true do out:send(1) happn.sleep("1h") end end)
      end
      M["GET /broken"] = function(req) return req:stream(function(out) out:write("begun") error("in the middle") end) end
      M["GET /twice"] = function(req) req:stream(function(out) out:write("a") end) return req:stream(function() end) end
      M["GET /wrong"] = function(req) return req:events(function(out) out:send(1, { event = "a\\nb" }) end) end
      M["GET /shared/{name}"] = function(req) return { value = happn.shared.get(req.params.name) or 0 } end
      return M`,
    'happn.json': JSON.stringify({ services: { connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } } } }),
  });
  const server = await Server.start(['--config', path.join(folder, 'happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const url = (name) => `http://127.0.0.1:${server.port}/r/${name}`;
  const shared = async (name) => (await (await fetch(url(`shared/${name}`))).json()).value;
  const events = await fetch(url('events'));
  assert.equal(events.headers.get('content-type'), 'text/event-stream');
  assert.equal(await events.text(), 'event: first\nid: 7\ndata: {"n":1}\n\ndata: two\ndata: lines\n\ndata: a\ndata: b\ndata: id: 8\ndata: \n\n: still here\n\ndata: {"n":2}\n\n');
  const csv = await fetch(url('csv'));
  assert.deepEqual([csv.status, csv.headers.get('content-type'), csv.headers.get('x-mine')], [206, 'text/csv', 'yes']);
  assert.equal((await csv.text()).split('\n').length, 1001);
  // Two requests over one connection: the answer in parts has an end.
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const over = (name) => new Promise((resolve, reject) => http.get(url(name), { agent }, (answer) => {
    let text = '';
    const port = answer.socket.localPort;
    answer.on('data', (part) => { text += part; }).on('end', () => resolve({ text, port })).on('error', reject);
  }).on('error', reject));
  const [one, two] = [await over('csv'), await over('csv')];
  assert.equal(one.port, two.port);
  agent.destroy();
  // A client that does not read: the script waits.
  const slow = await new Promise((resolve) => http.get(url('much'), resolve));
  slow.pause();
  let before = -1;
  for (let now = await shared('written'); now !== before || now === 0; now = await shared('written')) {
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 50)); // until nothing moves any more
  }
  assert.ok(before < 400, `${before} parts were written for a client that reads nothing`);
  let read = 0;
  slow.on('data', (part) => { read += part.length; }).resume();
  await new Promise((resolve) => slow.on('end', resolve));
  assert.equal(read, 400 * 65536);
  // A client that leaves ends the script where it waits.
  const leaving = await new Promise((resolve) => http.get(url('for-ever'), resolve));
  await new Promise((resolve) => leaving.once('data', resolve));
  leaving.destroy();
  while (await shared('left') !== 1) await new Promise((resolve) => setImmediate(resolve));
  // One that fails in the middle is seen to be cut off, and logged.
  const logged = server.nextLine(/in the middle/);
  await assert.rejects(fetch(url('broken')).then((answer) => answer.text()));
  await logged;
  await assert.rejects(fetch(url('twice')).then((answer) => answer.text()));
  await assert.rejects(fetch(url('wrong')).then((answer) => answer.text()));
  const last = fetch(url('for-ever')).then((answer) => answer.text()).catch(() => 'cut off'); // the server stops meanwhile
  await shared('left');
  await server.stop();
  await last;
  fs.rmSync(folder, { recursive: true });
});

test('happn scripts shows what runs and ends it, happn reload says what is wrong', async (t) => {
  const { execFile } = require('node:child_process');
  const program = process.env.HAPPN_PROGRAM || path.join(__dirname, '../../build/asan/happn');
  const run = (...args) => new Promise((resolve) => {
    execFile(program, args, (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
  });
  const { folder, file } = scripts({
    'layer.lua': layer('happn.metric("sets"):inc() if msg.data.fail then happn.fail("no") end\nif msg.path == "/wait" then\nhappn.sleep("1h") end'),
    'route.lua': route,
    'happn.json': config(),
  });
  const server = await Server.start(['--config', file('happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const at = ['--port', String(server.port)];
  const client = await Client.connect('6', server.port);
  await client.set('/a', { x: 1 });
  await assert.rejects(client.set('/a', { fail: true }));
  const waiting = assert.rejects(client.set('/wait', {}), { name: 'ScriptError' });
  let tasks = [];
  while (tasks.length === 0) tasks = JSON.parse((await run('scripts', '--json', ...at)).out).tasks;
  const [task] = tasks;
  assert.deepEqual([task.script, task.hook, task.line, task.state, task.path], ['layer.lua', 'inbound', 3, 'sleeping', '/wait']);
  const table = (await run('scripts', ...at)).out;
  assert.match(table, /generation 1, \d+ of \d+ bytes, 0 timers, 0 listeners/);
  assert.match(table, /layer\.lua +3 +1 +0/);
  assert.match(table, /^sets = 3$/m);
  const killed = server.nextLine(/an operator has ended the call/);
  assert.equal((await run('scripts', 'kill', String(task.id), ...at)).code, 0);
  await waiting;
  await killed;
  assert.deepEqual(await run('scripts', 'kill', String(task.id), ...at), { code: 1, out: '', err: 'happn scripts: no such call is under way\n' });
  fs.writeFileSync(file('layer.lua'), 'return {');
  const broken = await run('reload', ...at);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /happn reload: layer\.lua:1: /);
  fs.writeFileSync(file('layer.lua'), layer('msg.data.v = 2'));
  assert.deepEqual(await run('reload', ...at), { code: 0, out: 'the scripts were loaded anew\n', err: '' });
  assert.equal((await client.set('/d/a', { x: 1 })).v, 2);
  assert.equal(JSON.parse((await run('scripts', '--json', ...at)).out).generation, 2);
  for (const args of [['scripts', 'kill', 'x'], ['scripts', 'fly'], ['reload', '--what']]) assert.equal((await run(...args, ...at)).code, 2, args.join(' '));
  // By hand: lines that are wrong get an answer, too long ones the end.
  const socket = path.join(os.tmpdir(), `happn-${process.getuid()}`, `${server.port}.sock`);
  assert.equal(fs.statSync(socket).mode & 0o777, 0o600);
  const net = require('node:net');
  const say = (text) => new Promise((resolve) => {
    let got = '';
    const peer = net.connect(socket, () => peer.write(text));
    peer.on('data', (part) => { got += part; if (got.endsWith('\n')) peer.end(); });
    peer.on('close', () => resolve(got)).on('error', () => {});
  });
  for (const text of ['{\n', '[]\n', '{"do":5}\n', '{"do":"fly"}\n', '\n', '{"do":"kill","id":"x"}\n']) assert.equal(JSON.parse(await say(text)).ok, false, text);
  assert.equal(await say('x'.repeat(100000)), '');
  await client.disconnect();
  await server.stop();
  assert.equal(fs.existsSync(socket), false);
  assert.match((await run('reload', ...at)).err, /no server of yours listens/);
  fs.rmSync(folder, { recursive: true });
});

test('the webhook tells another server of changes, in order, signed, and tries again', async (t) => {
  const http = require('node:http');
  const crypto = require('node:crypto');
  const got = [];
  let waiting = () => {};
  let refuse = 2;
  const other = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      response.writeHead(refuse-- > 0 ? 500 : 200).end();
      if (response.statusCode === 200) got.push({ body, signature: request.headers['x-happn-signature'] });
      waiting();
    });
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => { other.closeAllConnections?.(); other.close(); });
  const { folder, file } = scripts({
    'happn.json': JSON.stringify({ services: { script: { config: { scripts: [{
      script: 'happn/webhook.lua', config: { url: `http://127.0.0.1:${other.address().port}/hook`, paths: ['/orders/*'], secret: 'key', retries: ['1ms', '1ms'] },
    }] } } } }),
  });
  const server = await Server.start(['--config', file('happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const client = await Client.connect('13', server.port);
  for (let n = 1; n <= 3; n++) await client.set(`/orders/${n}`, { n });
  await client.remove('/orders/1');
  while (got.length < 4) await new Promise((resolve) => { waiting = resolve; });
  assert.deepEqual(got.map(({ body }) => { const { path: at, action, data } = JSON.parse(body); return [at, action, data.n ?? data.removed]; }),
    [['/orders/1', 'set', 1], ['/orders/2', 'set', 2], ['/orders/3', 'set', 3], ['/orders/1', 'remove', 1]]);
  for (const { body, signature } of got) assert.equal(signature, crypto.createHmac('sha256', 'key').update(body).digest('hex'));
  refuse = 1000;
  const gaveUp = server.nextLine(/webhook: gave up on .* it answered 500/);
  await client.set('/orders/9', {});
  await gaveUp;
  await client.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('the configuration of docs/lua-library.md serves', async () => {
  const guide = fs.readFileSync(path.join(__dirname, '../../docs/lua-library.md'), 'utf8');
  const { folder, file } = scripts({ 'happn.json': /```json\n([^]*?)```/.exec(guide)[1] });
  const server = await Server.start(['--config', file('happn.json')]);
  const client = await Client.connect('6', server.port);
  await assert.rejects(client.set('/sensors/1', { value: 'hot' }), { name: 'ValidationError' });
  await client.set('/people/1', { name: 'x', salary: 5, address: { street: 's' } });
  const { _meta, ...seen } = await client.get('/people/1');
  assert.equal(JSON.stringify(seen), '{"name":"x","address":{}}');
  await client.disconnect();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

/** Logs in over a raw connection, resolves with the answer. */
function loginBy(port, data) {
  const WebSocket = require('ws');
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/primus/?_primuscb=1-0`);
    socket.on('error', reject);
    socket.on('open', () => {
      socket.send(JSON.stringify({ action: 'configure-session', eventId: 1, data: { protocol: 'happn_4', browser: false } }));
      socket.send(JSON.stringify({ action: 'login', eventId: 2, data }));
    });
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (message._meta && message._meta.action === 'login') {
        socket.close();
        resolve(message);
      }
    });
  });
}
