// Static folders and pages of other sites.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const net = require('node:net');
const { Server } = require('./support/server');
const { ask, Admin, startSecured } = require('./support/admin');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-files-'));
const pub = path.join(folder, 'public');
fs.mkdirSync(path.join(pub, 'docs'), { recursive: true });
fs.writeFileSync(path.join(folder, 'secret.txt'), 'secret');
fs.writeFileSync(path.join(pub, 'index.html'), '<p>index');
fs.writeFileSync(path.join(pub, 'app.js'), 'run()');
fs.writeFileSync(path.join(pub, 'with space.txt'), 'space');
fs.writeFileSync(path.join(pub, 'docs', 'index.html'), '<p>docs');
fs.writeFileSync(path.join(pub, 'big.bin'), Buffer.alloc(5000000, 7));
fs.writeFileSync(path.join(pub, 'empty'), '');
fs.symlinkSync('../secret.txt', path.join(pub, 'link-out.txt'));
fs.symlinkSync(path.join(folder, 'secret.txt'), path.join(pub, 'link-absolute.txt'));
fs.symlinkSync('app.js', path.join(pub, 'link-in.js'));
fs.symlinkSync('..', path.join(pub, 'up'));
const statics = (list) => ['--set', `services.connect.config.static=${JSON.stringify(list)}`];
test.after(() => fs.rmSync(folder, { recursive: true }));

/** The status line for a path that no client library would send. */
const rawStatus = (port, target) => new Promise((resolve, reject) => {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  let text = '';
  socket.on('data', (part) => { text += part; }).on('close', () => resolve(text)).on('error', reject);
});

test('files, types, indexes, HEAD, If-None-Match, big ones', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }, { mount: '/app/docs', folder: path.join(pub, 'docs') }]));
  const get = (url, headers) => ask(server.port, 'GET', url, { headers });
  const js = await get('/app/app.js');
  assert.equal(js.status, 200);
  assert.equal(js.text, 'run()');
  assert.match(js.headers['content-type'], /javascript/);
  assert.equal(js.headers['x-content-type-options'], 'nosniff');
  assert.equal((await get('/app/app.js', { 'if-none-match': js.headers.etag })).status, 304);
  for (const [url, text] of [['/app', '<p>index'], ['/app/', '<p>index'], ['/app/docs/', '<p>docs'], ['/app/with%20space.txt', 'space'], ['/app/link-in.js', 'run()'], ['/app/empty', '']]) {
    assert.equal((await get(url)).text, text, url);
  }
  const head = await ask(server.port, 'HEAD', '/app/app.js');
  assert.equal(head.headers['content-length'], '5');
  assert.equal((await get('/app/big.bin')).text.length, 5000000);
  for (const url of ['/app/none', '/application', '/app/app.js/', '/app/link-out.txt', '/app/link-absolute.txt', '/app/up/secret.txt']) {
    assert.equal((await get(url)).status, 404, url);
  }
  assert.equal((await ask(server.port, 'POST', '/app/app.js', { body: 'x' })).status, 405);
  await server.stop();
});

/** The raw bytes of an answer: { status, headers, body }. */
const fetchBytes = async (port, target, headers = {}, method = 'GET') => {
  const answer = await fetch(`http://127.0.0.1:${port}${target}`, { method, headers });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: Buffer.from(await answer.arrayBuffer()) };
};

test('parts of files, dates, conditions', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }]));
  const bytes = Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * 7919) % 251));
  fs.writeFileSync(path.join(pub, 'film.mp4'), bytes);
  fs.utimesSync(path.join(pub, 'film.mp4'), 1000000000, 1000000000.5);
  const get = (headers, method) => fetchBytes(server.port, '/app/film.mp4', headers, method);
  const whole = await get();
  assert.deepEqual([whole.status, whole.body.equals(bytes), whole.headers['content-type'], whole.headers['accept-ranges'], whole.headers['last-modified']],
    [200, true, 'video/mp4', 'bytes', 'Sun, 09 Sep 2001 01:46:40 GMT']);
  for (const [range, from, to] of [['0-0', 0, 1], ['5-9', 5, 10], ['299990-', 299990, 300000], ['-7', 299993, 300000], ['100-250000', 100, 250001], ['200000-900000', 200000, 300000]]) {
    const part = await get({ range: `bytes=${range}` });
    assert.deepEqual([part.status, part.headers['content-range'], part.headers['content-length']], [206, `bytes ${from}-${to - 1}/300000`, String(to - from)]);
    assert.ok(part.body.equals(bytes.subarray(from, to)), range);
  }
  const beyond = await get({ range: 'bytes=300000-' });
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */300000']);
  assert.equal((await get({ range: 'bytes=0-1,4-5' })).body.length, 300000, 'several parts are answered with the whole');
  const { etag } = whole.headers;
  assert.equal((await get({ range: 'bytes=0-1', 'if-range': etag })).status, 206);
  assert.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);
  assert.equal((await get({ 'if-none-match': `"x", W/${etag}` })).status, 304);
  assert.equal((await get({ 'if-modified-since': 'Sun, 09 Sep 2001 01:46:40 GMT' })).status, 304);
  assert.equal((await get({ 'if-modified-since': 'Sun, 09 Sep 2001 01:46:39 GMT' })).status, 200);
  assert.equal((await get({ 'if-none-match': etag })).headers.etag, etag);
  const head = await get({ range: 'bytes=0-1' }, 'HEAD');
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '300000', 0]);
  for (const [name, type] of [['a.css', /^text\/css/], ['a.WEBP', /^image\/webp$/], ['a.mjs', /^text\/javascript/], ['a.ttf', /^font\/ttf$/], ['a.csv', /^text\/csv/], ['a', /^application\/octet-stream$/]]) {
    fs.writeFileSync(path.join(pub, name), '');
    assert.match((await fetchBytes(server.port, `/app/${name}`)).headers['content-type'], type);
  }
  await server.stop();
});

test('large files need no memory, whoever reads how slowly', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }]));
  const large = path.join(pub, 'large.bin');
  const size = 300 * 1024 * 1024; // with holes: it takes no room on the disk
  const marks = [0, 32767, 1000003, 150000001, size - 1];
  const file = fs.openSync(large, 'w');
  fs.ftruncateSync(file, size);
  for (const at of marks) fs.writeSync(file, 'x', at);
  fs.closeSync(file);
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);
  const before = memory();
  const readers = await Promise.all(Array.from({ length: 20 }, () => new Promise((resolve) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write('GET /app/large.bin HTTP/1.1\r\nHost: a\r\n\r\n'));
    socket.on('error', () => {});
    socket.once('readable', () => resolve(socket)); // and no more
  })));
  const answer = await fetch(`http://127.0.0.1:${server.port}/app/large.bin`);
  let at = 0;
  const found = [];
  for await (const part of answer.body) {
    for (let i = part.indexOf(120); i >= 0; i = part.indexOf(120, i + 1)) found.push(at + i);
    at += part.length;
  }
  assert.deepEqual([at, found], [size, marks]);
  assert.ok(memory() - before < 20000, `${memory() - before} kB more`);
  readers.forEach((socket) => socket.destroy());
  await server.stop();
});

test('a file that gets shorter while it is sent ends the connection', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }]));
  const file = path.join(pub, 'shrinking.bin');
  fs.writeFileSync(file, Buffer.alloc(50000000));
  const socket = net.connect(server.port, '127.0.0.1', () => socket.write('GET /app/shrinking.bin HTTP/1.1\r\nHost: a\r\n\r\n'));
  await new Promise((resolve) => socket.once('readable', resolve));
  fs.truncateSync(file, 1000);
  let got = 0;
  for await (const part of socket) got += part.length;
  assert.ok(got < 50000000, String(got));
  assert.equal((await ask(server.port, 'GET', '/app/app.js')).text, 'run()');
  await server.stop();
});

test('who leaves, and a server that stops, in the middle of a file', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }]));
  for (let i = 0; i < 30; i += 1) {
    await new Promise((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1', () => socket.write('GET /app/big.bin HTTP/1.1\r\nHost: a\r\n\r\n'));
      socket.once('data', () => socket.destroy()).on('close', resolve);
    });
  }
  const files = () => fs.readdirSync(`/proc/${server.child.pid}/fd`).filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/${server.child.pid}/fd/${fd}`).startsWith(pub);
    } catch (error) {
      return false;
    }
  }).length;
  while (files() !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const socket = net.connect(server.port, '127.0.0.1', () => socket.write('GET /app/big.bin HTTP/1.1\r\nHost: a\r\n\r\n'));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('readable', resolve));
  await server.stop(); // the sanitizers look
  socket.destroy();
});

test('nothing outside of a folder can be reached', async () => {
  const server = await Server.start(statics([{ mount: '/app', folder: pub }]));
  for (const target of ['/app/../secret.txt', '/app/%2e%2e/secret.txt', '/app/..%2fsecret.txt', '/app/.%2e/%2e./secret.txt', '/app/docs/../../secret.txt', '/app/%2e%2e%2fsecret.txt',
    '/app//../secret.txt', '/app/%252e%252e/secret.txt', '/app/..%c0%afsecret.txt', '/app/%00/../secret.txt', '/app/....//secret.txt', `/app/${'../'.repeat(50)}etc/passwd`, '/app/up/secret.txt',
    `/app//${folder}/secret.txt`, '/app/\\..\\secret.txt']) {
    const text = await rawStatus(server.port, target);
    assert.doesNotMatch(text, /^HTTP\/1.1 200/, target);
    assert.doesNotMatch(text, /\r\n\r\nsecret|root:/, target);
  }
  assert.equal((await ask(server.port, 'GET', '/ping')).text, 'pong');
  await server.stop();
});

test('on a secured server permissions decide about files, too', async () => {
  const server = await startSecured({}, { services: { connect: { config: { static: [{ mount: '/app', folder: pub }], middleware: { security: { exclusions: ['/app/docs/*'] } } } } } });
  const admin = await Admin.login(server.port);
  await admin.user('files', { '/@HTTP/app/app.js': { actions: ['get'] } });
  const { token } = await Admin.login(server.port, 'files-pw', 'files');
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await ask(server.port, 'GET', '/app/app.js')).status, 401);
  assert.equal((await ask(server.port, 'GET', '/app/app.js', { headers })).text, 'run()');
  assert.equal((await ask(server.port, 'HEAD', '/app/app.js', { headers })).status, 403);
  assert.equal((await ask(server.port, 'GET', '/app/big.bin', { headers })).status, 403);
  assert.equal((await ask(server.port, 'GET', '/app/docs/')).text, '<p>docs');
  assert.equal((await ask(server.port, 'GET', '/app/docs/../app.js')).status, 401, 'an exclusion means the resolved path');
  await server.stop();
});

test('pages of other sites: questions beforehand, answers, who is not listed', async () => {
  const set = (key, value) => ['--set', `services.connect.config.cors.${key}=${JSON.stringify(value)}`];
  const server = await Server.start([...statics([{ mount: '/app', folder: pub }]), ...set('origins', ['https://a.example']), ...set('credentials', true), ...set('maxAge', 60)]);
  const question = (origin) => ask(server.port, 'OPTIONS', '/app/app.js', { headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-one, x-two' } });
  const yes = await question('https://a.example');
  assert.equal(yes.status, 204);
  assert.equal(yes.headers['access-control-allow-origin'], 'https://a.example');
  assert.match(yes.headers['access-control-allow-methods'], /PUT/);
  assert.equal(yes.headers['access-control-allow-headers'], 'x-one, x-two');
  assert.equal(yes.headers['access-control-allow-credentials'], 'true');
  assert.equal(yes.headers['access-control-max-age'], '60');
  const no = await question('https://b.example');
  assert.equal(no.headers['access-control-allow-origin'], undefined);
  assert.notEqual(no.status, 204);
  const answer = await ask(server.port, 'GET', '/app/app.js', { headers: { origin: 'https://a.example' } });
  assert.equal(answer.headers['access-control-allow-origin'], 'https://a.example');
  assert.equal(answer.headers.vary, 'Origin');
  assert.equal(answer.text, 'run()');
  await server.stop();
  await assert.rejects(Server.start([...set('origins', ['*']), ...set('credentials', true)]), /cookies cannot be allowed/);
  await assert.rejects(Server.start(statics([{ mount: '/x', folder: '/nowhere' }])), /there is no folder/);
});
