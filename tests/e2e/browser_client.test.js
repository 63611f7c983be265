// The client for browsers: in headless Chromium against our server, and against a real happn-3 server of the same protocol.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const vm = require('node:vm');
const WebSocket = require('ws');
const { Browser } = require('./support/browser');
const { Server } = require('./support/server');
const { walk } = require('./support/browser_walk');

const fetchText = (url) => new Promise((resolve, reject) => {
  http.get(url, (response) => {
    let text = '';
    response.on('data', (part) => { text += part; }).on('end', () => resolve({ text, response }));
  }).on('error', reject);
});

/** The script as the server gives it, run in a world of its own. */
function load(text) {
  const module = { exports: {} };
  vm.runInNewContext(text, { module, setTimeout, clearTimeout, WebSocket, console });
  return module.exports;
}

const expected = {
  sessions: true, set: [1, '/w/1', 'number'], primitive: 'text', merge: '["a","b"]', get: 2, nothing: null, list: '/w/1 /w/2', criteria: 1,
  paths: '/w/1 /w/2', count: 2, callback: 1,
  events: ['all /REMOVE /w/3 {"removed":1}', 'all /SET /w/3 {"n":3}', 'all /SET /w/once {"n":1}', 'all /SET /w/once {"n":2}', 'all /SET /w/said {"n":4}',
    'once /SET /w/once {"n":1}', 'removes /REMOVE /w/3 {"removed":1}'],
  initial: [2], emitted: ['emitted undefined /w/4 {"n":4}'], report: [1, 1], increment: 5, sibling: true, between: true,
  badPath: "Bad path [/w/*], a document's path has no *", noReport: 'onPublish handler in options is missing for consistency level DEFERRED or ACKNOWLEDGED',
  noHandler: 'on needs a function that takes (data, meta)', after: 'client is disconnected', endedByItself: 'nothing',
};

async function openPage(server, t) {
  const browser = await Browser.open();
  t.after(() => browser.close().catch(() => browser.child.kill('SIGKILL')));
  await browser.call('Page.enable');
  await browser.call('Page.navigate', { url: `http://127.0.0.1:${server.port}/ping` });
  await browser.until("document.readyState === 'complete' && location.port !== ''");
  await browser.evaluate(`new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src: '/browser_client', onload: () => resolve(), onerror: () => reject(new Error('no script')) });
    document.head.append(script);
  })`);
  return browser;
}

test('a page in Chromium walks through everything, told nothing but where its server is', async (t) => {
  const server = await Server.start();
  t.after(() => server.child.kill('SIGKILL'));
  const browser = await openPage(server, t);
  const { emitted, badOption, ...seen } = await browser.evaluate(`(${walk})(HappnClient)`);
  const { emitted: _, ...rest } = expected;
  assert.deepEqual(seen, rest);
  assert.equal(emitted.length, 1);
  assert.match(badOption, /\$wrong/);
  await server.stop();
});

test('a page comes back to a server that was away, with its subscriptions', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-away-'));
  const server = await Server.start(['--file', path.join(folder, 'documents.db')]);
  t.after(() => server.child.kill('SIGKILL'));
  const browser = await openPage(server, t);
  await browser.evaluate(`(async () => {
    window.heard = [];
    window.happened = [];
    window.client = await HappnClient.create();
    for (const name of ['connection-lost', 'reconnect-scheduled', 'reconnect-successful', 'session-ended']) client.onEvent(name, () => happened.push(name));
    await client.on('/again/*', (data, meta) => heard.push(meta.path + ' ' + data.n));
    await client.set('/kept/1', { n: 1 });
    window.values = [];
    client.onEvent('initial-values', ({ path, values: list }) => values.push(path + ' ' + list.length));
    await client.on('/kept/*', { initialEmit: true, count: 2 }, (data, meta) => values.push(meta.path + ' ' + data.n));
    await client.on('/kept/*', { initialCallback: true }, () => {});
    window.gone = await client.on('/gone/*', () => heard.push('gone'));
  })()`);
  const { port } = server;
  await server.stop();
  await browser.until("happened.includes('reconnect-scheduled')");
  assert.deepEqual(await browser.evaluate('values.splice(0)'), ['/kept/1 1']);
  assert.equal(await browser.evaluate("client.get('/x').catch((error) => error.message)"), 'client not active');
  await browser.evaluate('client.off(gone)'); // it is not made again
  server.args[server.args.indexOf('--port') + 1] = String(port);
  await server.launch();
  await browser.until("happened.includes('reconnect-successful')");
  assert.deepEqual((await browser.evaluate('values')).sort(), ['/kept/* 1', '/kept/1 1']); // told again, before it is back
  await browser.evaluate("client.set('/gone/1', { n: 0 }).then(() => client.set('/again/1', { n: 1 }))");
  await browser.until('heard.length !== 0');
  assert.deepEqual(await browser.evaluate('heard'), ['/again/1 1']);
  assert.equal(await browser.evaluate('happened[0]'), 'connection-lost');
  await server.stop();
});

test('a secured server: password, token, cookie, a wrong password, nobody', async (t) => {
  const server = await Server.start(['--set', 'secure=true', '--set', 'services.security.config.adminUser.password="pass"']);
  t.after(() => server.child.kill('SIGKILL'));
  const { text, response } = await fetchText(`http://127.0.0.1:${server.port}/browser_client`);
  assert.equal(response.statusCode, 200); // nobody needs a token for it
  assert.match(response.headers['content-type'], /^application\/javascript/);
  const HappnClient = load(text);
  const at = { host: '127.0.0.1', port: server.port };
  const admin = await HappnClient.create({ ...at, username: '_ADMIN', password: 'pass' });
  await admin.set('/a', { b: 1 });
  const again = await HappnClient.create({ config: { ...at, token: admin.session.token } });
  assert.equal((await again.get('/a')).b, 1);
  await assert.rejects(HappnClient.create({ ...at, username: '_ADMIN', password: 'wrong' }), { message: /Invalid credentials/, code: 401 });
  await assert.rejects(HappnClient.create(at), { message: /is secured: give create a username and password, or a token/ });
  const told = new Promise((resolve) => again.onEvent('session-ended', resolve));
  await admin.logout();
  assert.match(JSON.stringify(await told), /token-revoked/);
  await server.stop();
});

test('a secured server logs a page in by its cookie', async (t) => {
  const server = await Server.start(['--set', 'secure=true', '--set', 'services.security.config.adminUser.password="pass"']);
  t.after(() => server.child.kill('SIGKILL'));
  const browser = await openPage(server, t);
  const name = await browser.evaluate(`HappnClient.create({ username: '_ADMIN', password: 'pass' }).then(async (client) => {
    document.cookie = 'happn_token=' + encodeURIComponent(client.session.token) + '; path=/';
    const other = await HappnClient.create({ useCookie: true });
    return other.session.username || other.session.user.username;
  })`);
  assert.equal(name, '_ADMIN');
  await server.stop();
});

test('it says what to do when nobody answers', async () => {
  const HappnClient = load(fs.readFileSync(path.join(path.dirname(process.env.HAPPN_PROGRAM || path.join(__dirname, '../../build/asan/happn')), 'browser/happn.js'), 'utf8'));
  await assert.rejects(HappnClient.create({ host: '127.0.0.1', port: 1 }), { message: /no connection to ws:\/\/127\.0\.0\.1:1/ });
});

test('a real happn-3 13 server understands it as well', async (t) => {
  const child = spawn(process.execPath, [path.join(__dirname, 'support/original_server.js'), '13'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const port = await new Promise((resolve) => readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const match = /^port (\d+)/.exec(line);
    if (match) resolve(Number(match[1]));
  }));
  const server = await Server.start();
  const HappnClient = load((await fetchText(`http://127.0.0.1:${server.port}/browser_client`)).text);
  await server.stop();
  const { badOption, emitted, sibling, ...seen } = JSON.parse(JSON.stringify(await walk(HappnClient, { host: '127.0.0.1', port })));
  const { emitted: _, sibling: theirs, ...rest } = expected;
  assert.deepEqual(seen, rest);
  assert.equal(sibling, !theirs); // 13 has no siblings any more
  assert.ok(badOption);
  assert.equal(emitted.length, 1);
});
