// Where a request or an answer begins and ends: whoever stands between must not read it differently, and who leaves or stalls costs nothing.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Server, raw } = require('./support/server');

const script = `
  local M = {}
  M["GET /after"] = function() return "after" end
  M["POST /body"] = function(req) return { got = #req:text() } end
  return M`;

/** A server of its own with these routes below /r. */
async function start(t, lua, transport = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  fs.writeFileSync(path.join(folder, 'route.lua'), lua);
  fs.writeFileSync(path.join(folder, 'happn.json'), JSON.stringify({
    services: { transport: { config: transport }, connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }] } } },
  }));
  const server = await Server.start(['--config', path.join(folder, 'happn.json')]);
  t.after(() => {
    server.child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true });
  });
  return server;
}

/** Connections to the server that stand. */
function connected(server) {
  const port = `:${server.port.toString(16).toUpperCase().padStart(4, '0')}`;
  return fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local !== undefined && local.endsWith(port) && state === '01').length;
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('who leaves in the middle of a body leaves nothing behind', async (t) => {
  const server = await start(t, script);
  for (let i = 0; i < 20; i += 1) {
    await new Promise((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1', () => {
        socket.write(`POST /r/body HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n${'x'.repeat(20000)}`, () => socket.destroy());
      });
      socket.on('close', resolve);
    });
  }
  assert.match(await raw(server, 'GET /r/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /after$/);
  await until(() => connected(server) === 0);
  await server.stop(); // the leak sanitizer looks
});

test('a request that says its length in two ways is refused', async (t) => {
  const server = await start(t, script);
  const two = 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /r/after HTTP/1.1\r\nHost: a\r\n\r\n';
  for (const method of ['POST', 'PUT', 'DELETE', 'GET']) {
    const answer = await raw(server, `${method} /r/body HTTP/1.1\r\nHost: a\r\n${two}`);
    assert.match(answer, /^HTTP\/1\.1 400 [^]*not both\n$/, method);
    assert.equal(answer.match(/HTTP\/1\.1/g).length, 1, method);
  }
  assert.match(await raw(server, 'POST /r/body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde'), /^HTTP\/1\.1 400 /);
  await server.stop();
});

test('an answer says once how long it is, and one without a body has none', async (t) => {
  const server = await start(t, `
    local M = {}
    M["GET /after"] = function() return "after" end
    M["GET /length"] = function() return 200, "abc", { ["content-LENGTH"] = "1" } end
    M["GET /coding"] = function() return 200, "abc", { ["Transfer-Encoding"] = "chunked" } end
    M["GET /name"] = function() return 200, "abc", { ["x\\ty"] = "1" } end
    M["GET /stream-length"] = function(req) return req:stream({ headers = { ["content-length"] = "1" } }, function(out) out:write("abc") end) end
    M["GET /100"] = function() return 100, "abc" end
    M["GET /101"] = function(req) return req:stream({ status = 101 }, function(out) out:write("abc") end) end
    M["GET /204"] = function(req) return req:stream({ status = 204 }, function(out) out:write("abc") end) end
    M["GET /304"] = function(req) return req:stream({ status = 304 }, function(out) out:write("abc") end) end
    M["GET /stream"] = function(req) return req:stream(function(out) out:write("abc") end) end
    return M`);
  /** Both answers over one connection: the second can only be read when the first one ended where it said. */
  const then = (method, name) => new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(`${method} /r/${name} HTTP/1.1\r\nHost: a\r\n\r\n`));
    let got = '';
    let asked = false;
    socket.on('data', (data) => {
      got += data;
      if (!asked) socket.write('GET /r/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      asked = true;
      if (got.endsWith('after')) {
        socket.destroy();
        resolve(got.slice(0, got.lastIndexOf('HTTP/1.1 200 OK')));
      }
    });
    socket.on('close', () => reject(new Error(`cut off after ${JSON.stringify(got)}`)));
    socket.on('error', reject);
  });
  for (const name of ['length', 'coding', 'name', 'stream-length', '100', '101']) {
    assert.match(await then('GET', name), /^HTTP\/1\.1 500 [^]*"ScriptError"/, name);
  }
  assert.match(await then('GET', '204'), /^HTTP\/1\.1 204 No Content\r\n\r\n$/);
  assert.match(await then('GET', '304'), /^HTTP\/1\.1 304 Not Modified\r\n\r\n$/);
  assert.match(await then('HEAD', 'stream'), /^HTTP\/1\.1 200 OK\r\n[^]*Transfer-Encoding: chunked\r\n\r\n$/);
  assert.match(await then('GET', 'stream'), /\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
  await server.stop();
});

test('a client that does not read its answer is cut off, one that reads slowly gets all of it', async (t) => {
  const server = await start(t, `
    local M = {}
    M["GET /big"] = function() return 200, ("x"):rep(8000000), { ["content-type"] = "text/plain" } end
    M["GET /part"] = function(req) return req:stream(function(out) out:write(("x"):rep(8000000)) end) end
    return M`, { handshakeSeconds: 1 });
  for (const name of ['big', 'part']) {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(`GET /r/${name} HTTP/1.1\r\nHost: a\r\n\r\n`));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('readable', resolve)); // and never read
    await until(() => connected(server) === 0);
    socket.destroy();
  }
  for (const name of ['big', 'part']) {
    const answer = await fetch(`http://127.0.0.1:${server.port}/r/${name}`);
    let got = 0;
    for await (const part of answer.body) {
      got += part.length;
      if (got % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(got, 8000000, name);
  }
  await server.stop();
});

test('who writes into an answer from elsewhere cannot fill the memory with it', async (t) => {
  const server = await start(t, `
    local M, reader = {}
    M["GET /listen"] = function(req) return req:events(function(out) reader = out out:send("here") happn.sleep("1h") end) end
    M["POST /say"] = function()
      local part, said = ("x"):rep(1000000), 0
      for _ = 1, 100 do
        local ok, why = pcall(reader.send, reader, part)
        if not ok then return { said = said, why = why } end
        said = said + 1
      end
      return { said = said }
    end
    return M`, { queueBytes: 5000000 });
  const reader = net.connect(server.port, '127.0.0.1', () => reader.write('GET /r/listen HTTP/1.1\r\nHost: a\r\n\r\n'));
  await new Promise((resolve) => reader.once('readable', resolve)); // and never read
  const answer = await (await fetch(`http://127.0.0.1:${server.port}/r/say`, { method: 'POST', body: '' })).json();
  assert.ok(answer.said >= 5 && answer.said < 20, JSON.stringify(answer));
  assert.match(answer.why, /queueBytes was reached/);
  reader.destroy();
  await server.stop();
});
