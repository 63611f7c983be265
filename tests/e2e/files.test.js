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
