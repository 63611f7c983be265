// Where a request or an answer begins and ends: whoever stands between must not read it differently, and who leaves or stalls costs nothing.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');

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

/** Sends a text; what came until the connection ended. */
function raw(server, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (data) => { got += data; });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

/** The server's open sockets. */
function sockets(server) {
  const folder = `/proc/${server.child.pid}/fd`;
  return fs.readdirSync(folder).filter((name) => {
    try {
      return fs.readlinkSync(path.join(folder, name)).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('who leaves in the middle of a body leaves nothing behind', async (t) => {
  const server = await start(t, script);
  const before = sockets(server);
  for (let i = 0; i < 20; i += 1) {
    await new Promise((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1', () => {
        socket.write(`POST /r/body HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n${'x'.repeat(20000)}`, () => socket.destroy());
      });
      socket.on('close', resolve);
    });
  }
  assert.match(await raw(server, 'GET /r/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /after$/);
  await until(() => sockets(server) <= before);
  await server.stop(); // the leak sanitizer looks
});
