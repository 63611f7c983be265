// HTTP: the built-in routes, Lua routes under many requests, and requests that are not well.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Server, raw } = require('./support/server');

let server;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));

test.before(async () => {
  fs.writeFileSync(path.join(folder, 'echo.lua'), `return {
    name = "echo",
    ["GET /headers"] = function(req) return { custom = req.headers["x-custom"], host = req.headers["host"], q = req.query.q } end,
    ["POST /body"] = function(req) return 200, { got = #req:text() } end,
    ["GET /slow"] = function(req) happn.sleep("20ms") return { slow = true } end,
    ["GET /big"] = function(req) return 200, ("x"):rep(2000000), { ["content-type"] = "text/plain" } end,
    ["GET /inject"] = function(req) return 200, "a", { ["x-bad"] = "a\\r\\nset-cookie: b=c" } end,
  }`);
  fs.writeFileSync(path.join(folder, 'happn.json'), JSON.stringify({
    services: { connect: { config: { bodyBytes: 100000, routes: [{ script: 'echo.lua', mount: '/echo' }] } } },
  }));
  server = await Server.start(['--config', path.join(folder, 'happn.json')]);
});
test.after(async () => {
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

const url = (rest) => `http://127.0.0.1:${server.port}${rest}`;

test('the built-in routes', async () => {
  assert.equal(await (await fetch(url('/ping'))).text(), 'pong');
  assert.equal(await (await fetch(url('/PING'), { method: 'POST', body: 'x' })).text(), 'pong');
  assert.match((await (await fetch(url('/version'))).json()).version, /^\d/);
  assert.equal((await (await fetch(url('/primus/spec'))).json()).parser, 'json');
  assert.equal((await fetch(url('/primus'))).status, 426);
  const missing = await fetch(url('/<script>'));
  assert.equal(missing.status, 404);
  assert.doesNotMatch(await missing.text(), /<script>/);
});

test('headers and queries reach a Lua route', async () => {
  const answer = await (await fetch(url('/echo/headers?q=a%20b&x=1'), { headers: { 'X-Custom': 'yes' } })).json();
  assert.equal(answer.custom, 'yes');
  assert.equal(answer.q, 'a b');
  assert.equal(answer.host, `127.0.0.1:${server.port}`);
});

test('a thousand requests of every kind over kept connections', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 10 });
  const ask = (method, target, body) => new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: server.port, method, path: target, agent, headers: body ? { 'content-length': body.length } : {} }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve([response.statusCode, Buffer.concat(parts).toString()]));
    });
    request.on('error', reject);
    request.end(body);
  });
  const kinds = [
    () => ask('GET', '/ping').then(([status, text]) => assert.deepEqual([status, text], [200, 'pong'])),
    () => ask('POST', '/echo/body', 'x'.repeat(70000)).then(([status, text]) => assert.deepEqual([status, text], [200, '{"got":70000}'])),
    () => ask('GET', '/echo/slow').then(([status]) => assert.equal(status, 200)),
    () => ask('GET', '/nothing').then(([status]) => assert.equal(status, 404)),
    () => ask('HEAD', '/ping').then(([status, text]) => assert.deepEqual([status, text], [200, ''])),
  ];
  await Promise.all(Array.from({ length: 1000 }, (_, i) => kinds[i % kinds.length]()));
  const [, big] = await ask('GET', '/echo/big');
  assert.equal(big.length, 2000000);
  agent.destroy();
});

test('requests that are not well get a status and end', async () => {
  assert.match(await raw(server, 'POST /echo/body HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 411/);
  assert.match(await raw(server, 'POST /echo/body HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n'), /^HTTP\/1\.1 413/);
  assert.match(await raw(server, 'POST /echo/body HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n'), /^HTTP\/1\.1 400/);
  assert.doesNotMatch(await raw(server, 'GET /echo/inject HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /\r\nset-cookie/i);
  assert.match(await raw(server, 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 405/);
  await raw(server, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n');
  await raw(server, `GET /${'x'.repeat(100000)} HTTP/1.1\r\n\r\n`).catch(() => '');
  for (const head of [`/ping HTTP/1.1\r\nX: ${'x'.repeat(20000)}`, `/ping?${'x'.repeat(20000)} HTTP/1.1`, `/${'x'.repeat(20000)} HTTP/1.1`, `/ping HTTP/1.1\r\nCookie: ${'x'.repeat(9000)}`]) {
    assert.match(await raw(server, `GET ${head}\r\nHost: a\r\n\r\n`), /^HTTP\/1\.1 431 /, head.slice(0, 40));
  }
  assert.equal(server.log.filter((line) => !/^\d{4}-/.test(line)).join(), '', 'every line is the log\'s own');
  assert.equal(await (await fetch(url('/ping'))).text(), 'pong');
});

test('a peer that leaves before its answer harms nobody', async () => {
  await Promise.all(Array.from({ length: 50 }, () => new Promise((resolve) => {
    const socket = net.connect(server.port, '127.0.0.1', () => {
      socket.write('GET /echo/slow HTTP/1.1\r\nHost: a\r\n\r\n');
      setImmediate(() => socket.destroy());
    });
    socket.on('close', resolve);
  })));
  assert.equal((await (await fetch(url('/echo/slow'))).json()).slow, true);
});
