// TLS on the one port: certificates made, given, refused and renewed; real clients; frames of every size.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const https = require('node:https');
const tls = require('node:tls');
const net = require('node:net');
const { execFileSync, spawnSync } = require('node:child_process');
const WebSocket = require('ws');
const { Client, Events } = require('./support/clients');
const { Server, program } = require('./support/server');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-tls-'));
const file = (name) => path.join(folder, name);
const transport = (config) => Object.entries(config).flatMap(([key, value]) => ['--set', `services.transport.config.${key}=${JSON.stringify(value)}`]);
const start = (config, more = []) => Server.start([...transport({ mode: 'https', ...config }), ...more]);
const get = (port, url, options = {}) => new Promise((resolve, reject) => {
  https.get({ host: '127.0.0.1', port, path: url, rejectUnauthorized: false, agent: false, ...options }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
  }).on('error', reject);
});
const certificateOf = (port) => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
    resolve({ serial: socket.getPeerCertificate().serialNumber, protocol: socket.getProtocol(), names: socket.getPeerCertificate().subjectaltname });
    socket.destroy();
  }).on('error', reject);
});
const make = (name) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
  '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)], { stdio: 'ignore' });
const whyNot = (config) => {
  const result = spawnSync(program, ['serve', '--port', '0', '--host', '127.0.0.1', ...transport({ mode: 'https', ...config })], { encoding: 'utf8', env: { ...process.env, HOME: folder } });
  assert.notEqual(result.status, 0);
  return result.stderr;
};

test.after(() => fs.rmSync(folder, { recursive: true }));

test('without files a certificate is made: for this machine, its key for the owner only; HTTP, headers, every generation of clients', async () => {
  const server = await start({ certPath: file('made.pem'), keyPath: file('made.key') });
  assert.equal(fs.statSync(file('made.key')).mode & 0o777, 0o600);
  const { names, protocol } = await certificateOf(server.port);
  assert.match(names, /DNS:localhost/);
  assert.match(names, /IP Address:127\.0\.0\.1/);
  assert.equal(protocol, 'TLSv1.3');
  const ping = await get(server.port, '/ping', { ca: fs.readFileSync(file('made.pem')), rejectUnauthorized: true });
  assert.equal(ping.text, 'pong');
  assert.match(ping.headers['strict-transport-security'], /max-age/);
  for (const generation of ['6', '8', '13']) {
    const client = await Client.connect(generation, server.port, { protocol: 'https', allowSelfSignedCerts: true });
    const events = new Events();
    await client.on('/tls/*', {}, events.handler);
    await client.set('/tls/doc', { by: generation });
    assert.equal((await events.next()).data.by, generation);
    await client.disconnect();
  }
  await server.stop();
});

test('frames of every size survive, also to a client that reads slowly', async () => {
  const server = await start({ certPath: file('made.pem'), keyPath: file('made.key') });
  const socket = new WebSocket(`wss://127.0.0.1:${server.port}/primus`, { rejectUnauthorized: false });
  const replies = new Map();
  socket.on('message', (bytes) => {
    const message = JSON.parse(bytes.toString());
    replies.get(message._meta.eventId)(message);
  });
  await new Promise((resolve) => socket.on('open', resolve));
  const call = (message) => new Promise((resolve) => {
    const eventId = replies.size + 1;
    replies.set(eventId, resolve);
    socket.send(JSON.stringify({ ...message, eventId }));
  });
  const sizes = [1, 100, 125, 126, 1000, 16000, 16384, 65535, 65536, 200000, 3000000];
  for (const size of sizes) {
    const reply = await call({ action: 'set', path: `/size/${size}`, data: { text: 'x'.repeat(size) } });
    assert.equal(reply.data.text.length, size);
  }
  socket._socket.pause();
  const pending = [];
  for (let i = 0; i < 900; i++) pending.push(call({ action: 'get', path: `/size/${sizes[i % 9]}` }));
  for (let i = 0; i < 5; i++) pending.push(call({ action: 'get', path: '/size/3000000' }));
  socket._socket.resume();
  const got = await Promise.all(pending);
  assert.equal(got.filter((reply) => reply._meta.status === 'ok').length, pending.length);
  assert.equal(got[got.length - 1].data.text.length, 3000000);
  socket.terminate();
  await server.stop();
});

test('old protocols are refused, plain HTTP and broken handshakes disturb nobody', async () => {
  const server = await start({ certPath: file('made.pem'), keyPath: file('made.key') });
  for (const version of ['-tls1', '-tls1_1']) {
    const result = spawnSync('openssl', ['s_client', version, '-cipher', 'DEFAULT:@SECLEVEL=0', '-connect', `127.0.0.1:${server.port}`], { input: '', encoding: 'utf8' });
    assert.notEqual(result.status, 0, version);
  }
  assert.match(execFileSync('openssl', ['s_client', '-tls1_2', '-connect', `127.0.0.1:${server.port}`], { input: '', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }), /Cipher is ECDHE/);
  for (const text of ['GET /ping HTTP/1.1\r\nHost: x\r\n\r\n', '\x16\x03\x01\x02', 'garbage']) {
    await new Promise((resolve) => {
      const raw = net.connect(server.port, '127.0.0.1', () => raw.end(text));
      raw.on('close', resolve).on('error', () => {}).resume();
    });
  }
  assert.equal((await get(server.port, '/ping')).text, 'pong');
  await server.stop();
});

test('who connects and says nothing, or sends headers without end, is cut off', async () => {
  const server = await start({ certPath: file('made.pem'), keyPath: file('made.key'), handshakeSeconds: 1 });
  const silent = net.connect(server.port, '127.0.0.1');
  await new Promise((resolve) => silent.on('close', resolve).on('error', () => {}).resume());
  const flooding = tls.connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false }, () => {
    flooding.write('GET /ping HTTP/1.1\r\n');
    const more = () => {
      if (flooding.destroyed) return;
      flooding.write(`X-${'a'.repeat(50)}: ${'b'.repeat(900)}\r\n`);
      setImmediate(more);
    };
    more();
  });
  await new Promise((resolve) => flooding.on('close', resolve).on('error', () => {}).resume());
  assert.equal((await get(server.port, '/ping')).text, 'pong');
  await server.stop();
});

test('a renewed certificate is used without a restart, one that does not fit is not; open connections go on', async () => {
  make('one');
  make('two');
  fs.copyFileSync(file('one.pem'), file('live.pem'));
  fs.copyFileSync(file('one.key'), file('live.key'));
  const server = await start({ certPath: file('live.pem'), keyPath: file('live.key') });
  const before = await certificateOf(server.port);
  const client = await Client.connect('13', server.port, { protocol: 'https', allowSelfSignedCerts: true });
  const refused = server.nextLine(/cannot be used, the old one goes on/);
  fs.copyFileSync(file('two.pem'), file('live.pem'));
  await refused;
  assert.equal((await certificateOf(server.port)).serial, before.serial);
  const renewed = server.nextLine(/the certificate was renewed/);
  fs.copyFileSync(file('two.key'), file('live.key'));
  server.child.kill('SIGHUP');
  await renewed;
  assert.notEqual((await certificateOf(server.port)).serial, before.serial);
  await client.set('/still/here', { a: 1 });
  await client.disconnect();
  await server.stop();
});

test('certificate and key as texts; what cannot be used is refused at the start, in words', async () => {
  make('text');
  const cert = fs.readFileSync(file('text.pem'), 'utf8'), key = fs.readFileSync(file('text.key'), 'utf8');
  const server = await start({ cert, key });
  assert.equal((await get(server.port, '/ping')).text, 'pong');
  await server.stop();
  make('other');
  assert.match(whyNot({ cert }), /key file missing for cert/);
  assert.match(whyNot({ key }), /cert file missing key/);
  assert.match(whyNot({ cert: 'nonsense', key }), /error creating server/);
  assert.match(whyNot({ cert, key: fs.readFileSync(file('other.key'), 'utf8') }), /error creating server/);
  assert.match(whyNot({ certPath: file('text.pem'), keyPath: file('none.key') }), /missing key file: .*none\.key/);
  assert.match(whyNot({ certPath: file('none.pem'), keyPath: file('text.key') }), /missing cert file: .*none\.pem/);
  assert.match(whyNot({ certPath: file('text.pem') }), /missing key file: undefined/);
  assert.match(whyNot({ certPath: '/proc/none.pem', keyPath: '/proc/none.key' }), /cannot write/);
  assert.match(whyNot({ mode: 'ftp' }), /must be one of http,https/);
});

test('a key with a password is refused: nobody is asked for it', () => {
  make('asks');
  execFileSync('openssl', ['pkey', '-in', file('asks.key'), '-aes256', '-passout', 'pass:secret', '-out', file('locked.key')], { stdio: 'ignore' });
  const args = [program, 'serve', '--port', '0', '--host', '127.0.0.1', ...transport({ mode: 'https', certPath: file('asks.pem'), keyPath: file('locked.key') })];
  const result = spawnSync('setsid', ['--wait', ...args], { encoding: 'utf8', input: 'secret\n', timeout: 20000, killSignal: 'SIGKILL' }); // without a terminal
  assert.match(result.stderr, /error creating server: the key: .*password/);
});
