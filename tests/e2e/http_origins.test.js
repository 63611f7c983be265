// A browser sends its cookie along whatever page makes it ask. What changes something is believed only when it comes from our own pages, or from
// those that the configuration names; clients that are no browsers say nothing about pages, and are believed.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Admin, ask, startSecured } = require('./support/admin');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
fs.writeFileSync(path.join(folder, 'r.lua'), 'return { ["POST /r"] = function() return "changed" end, ["GET /r"] = function() return "seen" end }');
test.after(() => fs.rmSync(folder, { recursive: true }));

async function start(t) {
  const server = await startSecured({ allowLogoutOverHttp: true }, { compat: 13, services: {
    script: { config: { root: folder } },
    connect: { config: { routes: ['r.lua'], cors: { origins: ['https://friend.example'], credentials: true } } },
  } });
  t.after(() => server.child.kill('SIGKILL'));
  const admin = await Admin.login(server.port);
  await admin.user('web', { '/@HTTP/r': { actions: ['*'] } });
  return server;
}

const login = async (server) => (await Admin.login(server.port, 'web-pw', 'web')).token;
const own = (server) => `http://127.0.0.1:${server.port}`;
const foreign = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
  { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
];
const trusted = (server) => [
  {},
  { origin: own(server) },
  { 'sec-fetch-site': 'same-origin', origin: own(server) },
  { 'sec-fetch-site': 'same-origin', origin: 'https://as-seen-before-the-proxy.example' },
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'cross-site', origin: 'https://friend.example' },
  { origin: 'https://friend.example' },
];

test('a change by cookie comes from a page of ours or of a friend', async (t) => {
  const server = await start(t);
  const token = await login(server);
  const change = (headers) => ask(server.port, 'POST', '/r', { headers, body: 'x' });
  for (const page of foreign) {
    assert.equal((await change({ cookie: `happn_token=${token}`, ...page })).status, 403, JSON.stringify(page));
    assert.equal((await change({ authorization: `Bearer ${token}`, ...page })).text, 'changed', 'no browser sends this by itself');
    assert.equal((await ask(server.port, 'GET', '/r', { headers: { cookie: `happn_token=${token}`, ...page } })).text, 'seen');
  }
  for (const page of trusted(server)) assert.equal((await change({ cookie: `happn_token=${token}`, ...page })).text, 'changed', JSON.stringify(page));
  await server.stop();
});

test('a link on another page does not log out', async (t) => {
  const server = await start(t);
  const token = await login(server);
  for (const method of ['GET', 'POST']) {
    for (const page of foreign) {
      const answer = await ask(server.port, method, '/auth/logout', { headers: { cookie: `happn_token=${token}`, ...page }, body: method === 'POST' ? '' : undefined });
      assert.equal(answer.status, 403, JSON.stringify(page));
      assert.match(answer.text, /^\{"message":"logout failed", "data":null, "error":\{/);
    }
    for (const page of trusted(server)) {
      const fresh = await login(server);
      const headers = { cookie: `happn_token=${fresh}`, ...page };
      assert.equal((await ask(server.port, method, '/auth/logout', { headers, body: method === 'POST' ? '' : undefined })).status, 200, JSON.stringify(page));
      assert.notEqual((await ask(server.port, 'GET', '/r', { headers })).status, 200);
    }
  }
  assert.equal((await ask(server.port, 'GET', '/r', { headers: { cookie: `happn_token=${token}` } })).text, 'seen');
  await server.stop();
});

test('another page does not change who the browser is logged in as', async (t) => {
  const server = await start(t);
  const ways = (headers) => [
    ask(server.port, 'GET', '/auth/login?u=web&p=web-pw', { headers }),
    ask(server.port, 'POST', '/auth/login', { headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: 'u=web&p=web-pw' }),
  ];
  for (const page of foreign) {
    for (const answer of await Promise.all(ways(page))) {
      assert.equal(answer.status, 200, 'the answer is the original\'s');
      assert.equal(answer.headers['set-cookie'], undefined, JSON.stringify(page));
    }
  }
  for (const page of trusted(server)) {
    for (const answer of await Promise.all(ways(page))) assert.match(answer.headers['set-cookie'][0], /^happn_token=/, JSON.stringify(page));
  }
  await server.stop();
});
