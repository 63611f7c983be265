// Several requests on their way over one connection: every answer comes, in order, and nothing of one request gets into another.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { Server } = require('./support/server');

const script = `
  local M, is_free, seen = {}, false, 0
  M["GET /quick"] = function(req) return req.query.n end
  M["GET /late"] = function(req) happn.sleep("5ms") return req.query.n end
  M["GET /held"] = function(req) seen = seen + 1 while not is_free do happn.sleep("2ms") end return "held " .. req.query.n end
  M["GET /seen"] = function() return tostring(seen) end
  M["POST /free"] = function() is_free = true return "free" end
  M["POST /quick"] = function(req) return req:text() end
  M["POST /late"] = function(req) local before = req:text() happn.sleep("5ms") return before .. "|" .. req:text() end
  M["GET /parts"] = function(req) return req:stream(function(out) for i = 1, 3 do out:write(req.query.n) happn.sleep("2ms") end end) end
  return M`;

const file = Array.from({ length: 20000 }, (_, n) => n).join(); // of several pieces
let server, secret;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));

async function start(name, transport) {
  fs.writeFileSync(path.join(folder, 'route.lua'), script);
  fs.writeFileSync(path.join(folder, 'file.txt'), file);
  fs.writeFileSync(path.join(folder, name), JSON.stringify({
    services: { transport: { config: transport }, connect: { config: { routes: [{ script: 'route.lua', mount: '/r' }], static: [{ mount: '/f', folder }] } } },
  }));
  return Server.start(['--config', path.join(folder, name)]);
}

test.before(async () => {
  server = await start('plain.json', {});
  secret = await start('secret.json', { mode: 'https', certPath: path.join(folder, 'cert.pem'), keyPath: path.join(folder, 'key.pem') });
});
test.after(async () => {
  await server.stop(); // the sanitizers look
  await secret.stop();
  fs.rmSync(folder, { recursive: true });
});

const get = (name, n, more = '') => `GET /r/${name}?n=${n} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const post = (name, body) => `POST /r/${name} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunks = (name, body) => `POST /r/${name} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${[...body].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`;
const last = get('quick', 'last', 'Connection: close\r\n');

function connect(to) {
  return to === secret ? tls.connect({ port: to.port, host: '127.0.0.1', rejectUnauthorized: false }) : net.connect(to.port, '127.0.0.1');
}

/** The bodies of the answers in a text, in order. */
function bodies(text) {
  const found = [];
  let rest = text;
  while (rest.length !== 0) {
    const head = /^HTTP\/1\.1 200 OK\r\n([^]*?)\r\n\r\n/.exec(rest);
    assert.ok(head, `no answer begins with ${JSON.stringify(rest.slice(0, 200))}`);
    rest = rest.slice(head[0].length);
    if (/chunked/.test(head[1])) {
      const whole = /^((?:[1-9a-f][0-9a-f]*\r\n[^\r]*\r\n)*)0\r\n\r\n/.exec(rest);
      found.push(whole[1].replace(/[0-9a-f]+\r\n([^\r]*)\r\n/g, '$1'));
      rest = rest.slice(whole[0].length);
    } else {
      const length = Number(/Content-Length: (\d+)/.exec(head[1])[1]);
      found.push(rest.slice(0, length));
      rest = rest.slice(length);
    }
  }
  return found;
}

/** Sends the texts, each in a packet of its own; the bodies of what came until the server closed. */
function ask(to, ...texts) {
  return new Promise((resolve, reject) => {
    const socket = connect(to);
    let got = '';
    socket.setNoDelay(true);
    const send = () => {
      socket.write(texts.shift());
      if (texts.length !== 0) setImmediate(send);
    };
    socket.on(to === secret ? 'secureConnect' : 'connect', send);
    socket.on('data', (data) => { got += data; });
    socket.on('close', () => resolve(bodies(got)));
    socket.on('error', reject);
  });
}

for (const kind of ['plain', 'TLS']) {
  const to = () => (kind === 'TLS' ? secret : server);
  test(`${kind}: a request in the packet of one that is answered late`, async () => {
    assert.deepEqual(await ask(to(), get('late', 1) + get('quick', 2) + last), ['1', '2', 'last']);
  });

  test(`${kind}: a request that comes while the one before it is being answered`, async () => {
    assert.deepEqual(await ask(to(), get('late', 1), get('late', 2), get('quick', 3), last), ['1', '2', '3', 'last']);
  });

  test(`${kind}: a body ends where it ends, whatever lies behind it`, async () => {
    assert.deepEqual(await ask(to(), post('quick', 'abc') + get('quick', 2) + last), ['abc', '2', 'last']);
    assert.deepEqual(await ask(to(), post('late', 'abc') + post('late', 'de') + last), ['abc|abc', 'de|de', 'last']);
    assert.deepEqual(await ask(to(), post('late', 'abc'), post('quick', 'de'), post('late', ''), last), ['abc|abc', 'de', '|', 'last']);
  });

  test(`${kind}: a hundred of every kind, cut anywhere`, async () => {
    const kinds = [(n) => get('quick', n), (n) => get('late', n), (n) => post('quick', String(n)), (n) => post('late', String(n)), (n) => get('parts', n),
      (n) => chunks('late', String(n)), () => 'GET /f/file.txt HTTP/1.1\r\nHost: a\r\n\r\n'];
    const wanted = [(n) => n, (n) => n, (n) => n, (n) => `${n}|${n}`, (n) => n + n + n, (n) => `${n}|${n}`, () => file];
    let all = '';
    const expected = [];
    for (let i = 0; i < 100; i += 1) {
      all += kinds[i % kinds.length](i);
      expected.push(wanted[i % kinds.length](String(i)));
    }
    const packets = [];
    for (let at = 0, size = 1; at < all.length; at += size, size = (size * 7 + 3) % 901) packets.push(all.slice(at, at + size));
    assert.deepEqual(await ask(to(), ...packets, last), [...expected, 'last']);
  });
}

test('requests behind one that is not answered wait in the socket, not in the memory', async () => {
  const socket = connect(server);
  let got = '';
  socket.on('data', (data) => { got += data; });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);
  const rest = `X-Rest: ${'x'.repeat(4000)}\r\n`;
  const count = 6000; // 24 MB
  const before = memory();
  socket.write(get('held', 0) + Array.from({ length: count }, (_, n) => get('quick', n, rest)).join('') + last);
  const ask1 = async (method, name) => (await fetch(`http://127.0.0.1:${server.port}/r/${name}`, { method })).text();
  while (await ask1('GET', 'seen') === '0') await new Promise((resolve) => setImmediate(resolve));
  const unread = () => { // what the kernel holds for the server
    const port = `:${server.port.toString(16).toUpperCase().padStart(4, '0')}`;
    return Math.max(...fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(port) && fields[3] === '01').map((fields) => parseInt(fields[4].split(':')[1], 16)));
  };
  while (unread() < 50000) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(memory() - before < 10000, `${memory() - before} kB more`);
  await ask1('POST', 'free');
  await closed;
  const answers = bodies(got);
  assert.deepEqual([answers.length, answers[0], answers[count], answers[count + 1]], [count + 2, 'held 0', String(count - 1), 'last']);
});

test('a WebSocket behind a request that is answered late', async () => {
  const upgrade = 'GET /primus HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const ping = Buffer.from([0x89, 0x82, 0, 0, 0, 0, 0x68, 0x69]); // masked by zeros
  const socket = connect(server);
  let got = Buffer.alloc(0);
  socket.write(Buffer.concat([Buffer.from(get('late', 1) + get('quick', 2) + upgrade), ping]));
  for await (const data of socket) {
    got = Buffer.concat([got, data]);
    if (got.includes(Buffer.from([0x8a, 2, 0x68, 0x69]))) break;
  }
  assert.match(got.toString('latin1'), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n1HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n2HTTP\/1\.1 101 /);
});

test('who leaves with requests on their way leaves nothing behind', async () => {
  for (let i = 0; i < 20; i += 1) {
    await new Promise((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1', () => socket.write(get('late', 1) + get('late', 2) + post('late', 'x'), () => socket.destroy()));
      socket.on('close', resolve);
    });
  }
  assert.deepEqual(await ask(server, last), ['last']);
});
