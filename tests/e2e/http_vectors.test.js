// What happn-3 answers over HTTP (tests/vectors/http.json), replayed: as 13 by default, as 6 with `compat`. Where we decided otherwise the reason
// stands here; an exchange that has neither is a failure.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ask, Admin, startSecured } = require('./support/admin');

const rows = new Map(require('../vectors/http.json').rows.map((row) => [row.case, row]));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-http-'));
fs.writeFileSync(path.join(folder, 'routes.lua'), `return { name = "vectors",
  ["GET /echo"] = function(req) return { q = req.query } end, ["POST /echo"] = function(req) return { body = req:json() } end,
  ["GET /echo/p"] = function(req) return { q = req.query } end,
  ["GET /throw"] = function() error("thrown") end,
  ["GET /ex/{x}"] = function() return "EX" end, ["GET /one"] = function() return "ONE" end, ["GET /two"] = function() return "TWO" end }`);
fs.writeFileSync(path.join(folder, 'u.html'), '<h1>U</h1>');
fs.writeFileSync(path.join(folder, 'f.html'), '<h1>F</h1>');
test.after(() => fs.rmSync(folder, { recursive: true }));

/** Why we answer otherwise. */
const otherwise = {
  'GET /version?x=1': 'a query does not close the door that is open to everybody',
  'GET /browser_client?x': 'the same',
  'GET /auth/request-nonce': 'a question that lacks something is 400 with a sentence, never 500 with a stack trace',
  'GET /version': 'our own version', 'GET /VERSION': 'our own version',
  'GET /browser_client': 'a script of our own, with our version', 'GET /browser_primus.js': 'our script needs no other', 'GET /browser_crypto.js': 'our script needs no other',
  'POST /auth/login json': 'a JSON body is read for credentials, which do not belong into a URL',
  'POST bad json': 'routes get the body as it is, and answer themselves', 'POST big json': 'the limit is services.connect.config.bodyBytes',
  'exclusion /EX/a': 'case counts', 'exclusion /two/../ex/a': 'paths are resolved before anybody looks at them', 'exclusion /ex/../two': 'the same', 'exclusion //ex/a': 'the same',
  'echo httpsname cookie': 'httpsCookie is not honoured, the plain name is Secure over TLS',
  '404 authorised': 'as 6 says it, without a page around it',
};
const routes = { routes: ['routes.lua'] };
const script = { config: { root: folder } };

async function compare(name, answer, version, { statusOnly = false } = {}) {
  const row = rows.get(name);
  assert.ok(row, `there is no row ${name}`);
  const wanted = row[version] === 'same' ? row['6.3.2'] : row[version];
  assert.equal(answer.status, wanted.status, `${version} ${name}: ${answer.text}`);
  if (statusOnly) return;
  assert.equal(answer.reason, wanted.msg, name);
  const type = (text) => (text || '').split(';')[0];
  if (wanted.ct) assert.equal(type(answer.headers['content-type']), type(wanted.ct), name);
  if (wanted.wa) assert.equal(answer.headers['www-authenticate'], wanted.wa, name);
  const body = answer.text.replace(/eyJ[\w.-]+/g, '<token>');
  if (wanted.body && !/nonce/.test(wanted.body)) assert.ok(body.startsWith(wanted.body.split('<token>')[0]), `${name}: ${body} / ${wanted.body}`);
}

for (const [version, compat] of [['13.12.1', 13], ['6.3.2', 6]]) {
  test(`${version}: every plain request of the vectors`, async () => {
    const server = await startSecured({ adminUser: { password: 'happn' } }, { compat, services: { script, connect: { config: routes } } });
    const admin = await Admin.login(server.port, 'happn');
    await admin.user('web', { '/@HTTP/echo': { actions: ['*'] }, '/@HTTP/echo/*': { actions: ['*'] } });
    await admin.call('resetPassword', { username: 'web', password: 'p&?=' });
    let count = 0;
    for (const name of rows.keys()) {
      const match = /^GET (\/.*)$/.exec(name);
      if (!match || otherwise[name]) continue;
      await compare(name, await ask(server.port, 'GET', match[1]), version);
      count++;
    }
    assert.ok(count >= 18, `${count} rows`);
    await compare('POST /auth/login query', await ask(server.port, 'POST', '/auth/login?username=_ADMIN&password=happn', { body: '' }), version);
    const { token } = admin;
    const echo = (headers, url = '/echo/p?q=1') => ask(server.port, 'GET', url, { headers });
    const only = { statusOnly: true };
    await compare('echo via cookie', await echo({ cookie: `a=b; happn_token=${token}` }), version, only);
    await compare('echo via bearer', await echo({ authorization: `Bearer ${token}` }), version, only);
    await compare('echo via bearerlower', await echo({ authorization: `bearer ${token}` }), version, only);
    await compare('echo via basic', await echo({ authorization: `Basic ${token}` }), version);
    await compare('echo via none', await echo({}), version);
    await compare('echo via cookiebad', await echo({ cookie: 'happn_token=bad' }), version);
    await compare('echo via cookiebad_bearergood', await echo({ cookie: 'happn_token=bad', authorization: `Bearer ${token}` }), version);
    await compare('echo via cookieempty_bearergood', await echo({ cookie: 'happn_token=', authorization: `Bearer ${token}` }), version, only);
    await compare('echo via query', await echo({}, `/echo?happn_token=${token}`), version, only);
    await compare('echo querybad+bearergood', await echo({ authorization: `Bearer ${token}` }, '/echo?happn_token=bad'), version);
    await compare('POST echo json', await ask(server.port, 'POST', '/echo', { headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: '{"a":1}' }), version, only);
    await compare('OPTIONS CORS noauth', await ask(server.port, 'OPTIONS', '/echo', { headers: { origin: 'http://x', 'access-control-request-method': 'GET' } }), version);
    const thrown = await echo({ authorization: `Bearer ${token}` }, '/throw');
    assert.equal(thrown.status, 500);
    assert.doesNotMatch(thrown.text, /routes\.lua|stack|thrown/, 'no stack trace, no file');
    await server.stop();
  });

  test(`${version}: exclusions, pages, cookie names`, async () => {
    const pages = compat === 13 ? { unauthorizedResponsePath: path.join(folder, 'u.html'), forbiddenResponsePath: path.join(folder, 'f.html') } : {};
    const server = await startSecured({ cookieName: 'sec_cookie', cookieDomain: '.e.com' },
      { compat, services: { script, connect: { config: { ...routes, middleware: { security: { exclusions: ['/', '/ex/*', '/one'], ...pages } } } } } });
    const admin = await Admin.login(server.port);
    await admin.user('web', { '/@HTTP/none': { actions: ['get'] } });
    for (const name of rows.keys()) {
      const match = /^exclusion (\/.*)$/.exec(name);
      if (!match || otherwise[name]) continue;
      await compare(name, await ask(server.port, 'GET', match[1]), version, { statusOnly: match[1] !== '/ex' && match[1] !== '/two' });
    }
    await compare('cookie my_cookie', await ask(server.port, 'GET', '/two', { headers: { cookie: `my_cookie=${admin.token}` } }), version);
    await compare('cookie happn_token', await ask(server.port, 'GET', '/two', { headers: { cookie: `happn_token=${admin.token}` } }), version);
    await compare('cookie sec_cookie', await ask(server.port, 'GET', '/two', { headers: { cookie: `sec_cookie=${admin.token}` } }), version, { statusOnly: true });
    const { token } = await Admin.login(server.port, 'web-pw', 'web');
    await compare('forbidden page', await ask(server.port, 'GET', '/two', { headers: { authorization: `Bearer ${token}` } }), version);
    const login = await ask(server.port, 'POST', '/auth/login?u=web&p=web-pw', { body: '' });
    assert.match(login.headers['set-cookie'][0], /^sec_cookie=.*Domain=\.?e\.com/);
    assert.match(login.headers['set-cookie'][0], /HttpOnly/);
    assert.match(login.headers['set-cookie'][0], /SameSite=Lax/);
    await server.stop();
  });
}

test('every row is compared, decided otherwise with a reason, or about something that other tests have', () => {
  const elsewhere = /^(lockout|2 bad then good|unknown user locked|_ADMIN locked|err handler|throw|path traversal|session cookie fields|unsecure|OPTIONS CORS$|echo via|echo querybad|POST echo|POST \/auth\/login query|exclusion|cookie|forbidden page|OPTIONS CORS noauth|GET \/)/;
  for (const name of rows.keys()) assert.ok(otherwise[name] || elsewhere.test(name), name);
  for (const name of Object.keys(otherwise)) assert.ok(rows.has(name), name);
});
