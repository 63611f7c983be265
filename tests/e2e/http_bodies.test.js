// Bodies that come slowly, or not at all, or are not wanted: who sends them is told, and nobody is waited for without end.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { Admin, ask, startSecured } = require('./support/admin');

const script = `return {
  ["POST /body"] = function(req) return tostring(#req:text()) end,
  ["PUT /body"] = function(req) return tostring(#req:text()) end,
}`;

const policy = { profiles: [{ name: 'twice', session: { 'user.username': 'twice' }, policy: { usage_limit: 2 } }] };

async function start(t, { secure, ...transport } = {}, connect = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  fs.writeFileSync(path.join(folder, 'route.lua'), script);
  const server = await startSecured(policy, { compat: 13, services: {
    transport: { config: secure ? { mode: 'https', certPath: path.join(folder, 'cert.pem'), keyPath: path.join(folder, 'key.pem') } : { silenceMs: 800, ...transport } }, // which is also how often it looks
    connect: { config: { middleware: { security: { exclusions: ['/open/*'] } }, bodyBytes: 20000000, ...connect,
      routes: [{ script: 'route.lua', mount: '/r' }, { script: 'route.lua', mount: '/open' }] } },
    script: { config: { root: folder } },
  } });
  t.after(() => {
    server.child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true });
  });
  return server;
}

/** A connection whose texts can be waited for. */
class Peer {
  constructor(server, secure = false) {
    this.got = '';
    this.socket = secure ? tls.connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false }) : net.connect(server.port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve(this.got)));
    this.socket.on('data', (data) => { this.got += data; });
  }

  say(text) {
    this.socket.write(text);
    return this;
  }

  /** When it has been heard. */
  async hears(pattern) {
    while (!pattern.test(this.got)) {
      await Promise.race([new Promise((resolve) => this.socket.once('data', resolve)), this.closed]);
      if (this.socket.destroyed && !pattern.test(this.got)) throw new Error(`the connection ended after ${JSON.stringify(this.got)}`);
    }
  }
}

const head = (method, target, length, more = '') => `${method} ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${more}\r\n`;
const asking = 'Expect: 100-continue\r\n';

test('a body that comes a byte at a time ends with 408, however long it could go on', async (t) => {
  const server = await start(t, {}, { bodySeconds: 1 });
  const peer = new Peer(server).say(head('POST', '/open/body', 1000000));
  const trickle = setInterval(() => peer.say('x'), 20);
  const answer = await peer.closed;
  clearInterval(trickle);
  assert.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*Connection: close\r\n[^]*did not come in time\n$/);
  await server.stop();
});

test('a body of which nothing comes any more ends with 408', async (t) => {
  const server = await start(t, { handshakeSeconds: 1 });
  for (const begun of ['', 'x'.repeat(10)]) {
    assert.match(await new Peer(server).say(head('POST', '/open/body', 20) + begun).closed, /^HTTP\/1\.1 408 /);
  }
  await server.stop();
});

test('a head that comes a byte at a time ends the connection, the second one too', async (t) => {
  const server = await start(t, { handshakeSeconds: 1 });
  for (const before of ['', head('POST', '/open/body', 2) + 'ab']) {
    const peer = new Peer(server);
    if (before !== '') await peer.say(before).hears(/\r\n\r\n2$/);
    peer.say('GET /ping HTTP/1.1\r\nX-Long: ');
    const trickle = setInterval(() => peer.say('x'), 20);
    await peer.closed;
    clearInterval(trickle);
  }
  await server.stop();
});

test('who asks beforehand is told to go on, and is answered', async (t) => {
  const server = await start(t);
  for (const method of ['POST', 'PUT']) {
    const peer = new Peer(server).say(head(method, '/open/body', 5, asking));
    await peer.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    await peer.say('hello').hears(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n5$/);
    await peer.say(head(method, '/open/body', 2, 'Connection: close\r\n') + 'ab').hears(/\r\n\r\n2$/); // the connection goes on
  }
  const old = new Peer(server).say('POST /open/body HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab'); // it would not know what 100 is
  assert.match(await old.closed, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n2$/);
  await server.stop();
});

test('a body that is not wanted is refused before it is sent', async (t) => {
  const server = await start(t);
  const admin = await Admin.login(server.port);
  await admin.user('web', { '/@HTTP/r/*': { actions: ['put'] }, '/@HTTP/nowhere': { actions: ['post'] } });
  const token = `Authorization: Bearer ${(await Admin.login(server.port, 'web-pw', 'web')).token}\r\n`;
  const refused = async (method, target, length, more, answer) => {
    const peer = new Peer(server).say(head(method, target, length, more));
    await peer.hears(/\r\n\r\n/);
    peer.socket.end();
    assert.match(await peer.closed, answer, target);
    assert.match(peer.got, /Connection: close\r\n/);
  };
  for (const [length, beforehand] of [[10, asking], [10000000, '']]) {
    await refused('POST', '/r/body', length, beforehand, /^HTTP\/1\.1 401 /);
    await refused('POST', '/r/body', length, beforehand + token, /^HTTP\/1\.1 403 /);
    await refused('POST', '/_admin/upsertUser', length, beforehand, /^HTTP\/1\.1 401 /);
    await refused('POST', '/nowhere', length, beforehand + token, /^HTTP\/1\.1 404 /);
    await refused('PATCH', '/open/body', length, beforehand, /^HTTP\/1\.1 405 /);
    await refused('POST', '/ping', length, beforehand, /^HTTP\/1\.1 200 [^]*pong$/);
  }
  await refused('POST', '/open/body', 30000000, asking, /^HTTP\/1\.1 413 /);
  assert.equal((await ask(server.port, 'PUT', '/r/body', { headers: { authorization: token.slice(15).trim() }, body: 'x'.repeat(100000) })).text, '100000');
  await server.stop();
});

for (const secure of [false, true]) {
  test(`a refusal reaches who is sending already${secure ? ', by TLS' : ''}`, async (t) => {
    const server = await start(t, { secure });
    for (const [target, length, answer] of [['/r/body', 8000000, /^HTTP\/1\.1 401 /], ['/open/body', 30000000, /^HTTP\/1\.1 413 /]]) {
      const peer = new Peer(server, secure);
      peer.socket.allowHalfOpen = true;
      peer.say(head('POST', target, length));
      for (let sent = 0; sent < length; sent += 100000) peer.say('x'.repeat(100000));
      await peer.hears(answer);
      peer.socket.end();
      await peer.closed;
    }
    await server.stop();
  });
}

test('who does not go after a refusal is sent away', async (t) => {
  const server = await start(t);
  const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {}).resume();
  socket.write(head('POST', '/r/body', 1000000));
  const trickle = setInterval(() => socket.write('x'), 50);
  await closed;
  clearInterval(trickle);
  await server.stop();
});

test('asking beforehand uses a token once', async (t) => {
  const server = await start(t);
  const admin = await Admin.login(server.port);
  await admin.user('twice', { '/@HTTP/r/*': { actions: ['post'] } });
  const { token } = await Admin.login(server.port, 'twice-pw', 'twice');
  const statuses = [];
  for (let i = 0; i < 3; i += 1) {
    const peer = new Peer(server).say(head('POST', '/r/body', 2, `${asking}Connection: close\r\nAuthorization: Bearer ${token}\r\n`));
    await peer.hears(/\r\n\r\n/);
    if (/ 100 /.test(peer.got)) peer.say('ab');
    else peer.socket.end();
    statuses.push((await peer.closed).match(/HTTP\/1\.1 (\d+)/g).pop().slice(9));
  }
  assert.deepEqual(statuses, ['200', '200', '401']);
  await server.stop();
});

const coded = (method, target, more = '') => `${method} ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${more}\r\n`;
const last = 'Connection: close\r\n';

test('a body in chunks, however it is cut, and what comes behind it', async (t) => {
  const server = await start(t, {}, { bodyBytes: 1000000 });
  const text = coded('POST', '/open/body') + '5\r\nhello\r\n00a;x="y"\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n' +
    coded('PUT', '/open/body') + '0\r\n\r\n' + head('POST', '/open/body', 3) + 'abc' + coded('POST', '/open/body', last) + '1\r\na\r\n0\r\n\r\n';
  for (const size of [text.length, 1, 7, 64]) {
    const peer = new Peer(server);
    peer.socket.setNoDelay(true);
    for (let at = 0; at < text.length; at += size) {
      peer.say(text.slice(at, at + size));
      if (size !== text.length) await new Promise((resolve) => setImmediate(resolve));
    }
    const bodies = (await peer.closed).split(/HTTP\/1\.1 200 OK\r\n[^]*?\r\n\r\n/).slice(1);
    assert.deepEqual(bodies, ['15', '0', '3', '1'], `by ${size}`);
  }
  const long = `${(100000).toString(16)}\r\n${'x'.repeat(100000)}\r\n`.repeat(10);
  assert.match(await new Peer(server).say(coded('POST', '/open/body', last) + long + '0\r\n\r\n').closed, /\r\n\r\n1000000$/);
  await server.stop();
});

test("clients that do not know the length beforehand, as Node's", async (t) => {
  const server = await start(t);
  const answer = await fetch(`http://127.0.0.1:${server.port}/open/body`, {
    method: 'POST', duplex: 'half', body: new ReadableStream({
      async start(controller) {
        for (let i = 0; i < 10; i += 1) {
          controller.enqueue(new Uint8Array(30000));
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.close();
      },
    }),
  });
  assert.equal(await answer.text(), '300000');
  await server.stop();
});

test('chunks that are not in order, too many, or not wanted', async (t) => {
  const server = await start(t, {}, { bodyBytes: 1000 });
  const ends = async (text, answer) => {
    const peer = new Peer(server).say(text);
    await peer.hears(/\r\n\r\n/);
    peer.socket.end();
    assert.match(await peer.closed, answer, text.slice(0, 200));
    assert.equal(peer.got.match(/HTTP\/1\.1/g).length, 1, 'nothing of a broken body is a request');
  };
  const inside = `GET /ping HTTP/1.1\r\nHost: a\r\n\r\n`;
  await ends(`${coded('POST', '/open/body')}zz\r\n${inside}`, /^HTTP\/1\.1 400 [^]*chunks are not in order\n$/);
  await ends(`${coded('POST', '/open/body')}1\r\nabc\r\n${inside}`, /^HTTP\/1\.1 400 /);
  await ends(`${coded('POST', '/open/body')}1\na\n0\n\n${inside}`, /^HTTP\/1\.1 400 /);
  await ends(`${coded('POST', '/open/body')}3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n${inside}`, /^HTTP\/1\.1 413 /);
  await ends(coded('POST', '/r/body'), /^HTTP\/1\.1 401 /);
  await ends(coded('PATCH', '/open/body'), /^HTTP\/1\.1 405 /);
  await ends(coded('GET', '/ping'), /^HTTP\/1\.1 200 [^]*pong$/);
  await ends(`POST /open/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${inside}`, /^HTTP\/1\.1 501 /);
  await ends(`POST /open/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n${inside}`, /^HTTP\/1\.1 (501|400) /);
  await ends(`POST /open/body HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${inside}`, /^HTTP\/1\.1 400 /);
  for (const name of ['Content-Length ', 'Transfer-Encoding ', 'Transfer-Encoding\t', 'X Y']) {
    await ends(`GET /open/body HTTP/1.1\r\nHost: a\r\n${name}: 5\r\n\r\nabcde${inside}`, /^HTTP\/1\.1 400 /);
  }
  const asked = new Peer(server).say(coded('POST', '/open/body', asking));
  await asked.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  await asked.say('1\r\na\r\n0\r\n\r\n').hears(/\r\n\r\n1$/);
  asked.socket.destroy();
  await server.stop();
});

test('chunks that come a byte at a time end with 408', async (t) => {
  const server = await start(t, {}, { bodySeconds: 1 });
  const peer = new Peer(server).say(`${coded('POST', '/open/body')}1;`);
  const trickle = setInterval(() => peer.say('x'), 20);
  assert.match(await peer.closed, /^HTTP\/1\.1 408 /);
  clearInterval(trickle);
  await server.stop();
});
