// Each snippet of the README and docs/*.md is run by somebody: configurations, shell and pages here, the others where SOMEBODY says.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { Browser } = require('./support/browser');
const { Client, Events } = require('./support/clients');
const { Server, freePort, program } = require('./support/server');

const root = path.join(__dirname, '../..');

// Who runs a page's snippets of a kind. The modules' tests run those that are marked `<!-- run: ... -->`, and each must be.
const SOMEBODY = {
  'README.md': { python: 'marked', js: 'marked' },
  'docs/clients.md': { python: 'marked', js: 'marked', html: 'here' },
  'docs/config.md': { json: 'here' },
  'docs/datastores.md': { json: 'here' },
  'docs/http.md': { json: 'here', sh: 'here' },
  'docs/lua.md': { json: 'here', lua: 'unit_script' },
  'docs/lua-cookbook.md': { lua: 'lua_docs.test.js' },
  'docs/lua-library.md': { json: 'lua.test.js', lua: 'unit_script_library' },
  'docs/lua-tools.md': { lua: 'lua_tools.test.js' },
  'docs/lua-tutorial.md': { json: 'lua_docs.test.js', lua: 'lua_docs.test.js', sh: 'lua_docs.test.js', text: 'lua_docs.test.js' },
  'docs/search.md': { js: 'here' },
  'docs/security.md': { json: 'here', sh: 'here' },
};

/** The snippets of a page: { kind, text, mark }. */
function snippets(page) {
  const text = fs.readFileSync(path.join(root, page), 'utf8');
  const found = [...text.matchAll(/(?:^<!-- run: (\w+) -->\n)?^```(\w+)[^\n]*\n([^]*?)^```$/gm)];
  return found.map(([, mark, kind, code]) => ({ mark, kind, text: code }));
}

/** The indented lines of a page that begin with this. */
const lines = (page, start) => [...fs.readFileSync(path.join(root, page), 'utf8').matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line).filter((line) => line.startsWith(start));

const of = (page, kind) => snippets(page).filter((snippet) => snippet.kind === kind).map(({ text }) => text);

const FILES = {
  'layers/stamp.lua': 'return { inbound = function() end }',
  'layers/temperature.lua': 'return { inbound = function() end }',
  'layers/quota.lua': 'return { config = { perMinute = { type = "integer", default = 1 }, most = { type = "integer", default = 1 } }, inbound = function() end }',
  'layers/serials.lua': 'return { outbound = function() end }',
  'routes/orders.lua': 'return { ["GET /"] = function() return "orders" end }',
  'work/orders.lua': 'return { start = function() end }',
  'public/index.html': 'hello',
};

/** A folder with the files that configurations name. */
function folder(t, files) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-docs-'));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(made, name)), { recursive: true });
    fs.writeFileSync(path.join(made, name), text);
  }
  return made;
}

/** A self-signed certificate for localhost in this folder. */
function certify(where) {
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', path.join(where, 'key.pem'), '-out', path.join(where, 'cert.pem')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

async function serves(t, config) {
  const files = { ...FILES, 'happn.json': config };
  for (const [name, text] of Object.entries(FILES)) files[`scripts/${name}`] = text;
  const where = folder(t, files);
  certify(where);
  const server = await Server.start(['--config', path.join(where, 'happn.json')]);
  t.after(() => server.child.kill('SIGKILL')); // when it failed
  return server;
}

/** Runs shell lines with our happn, in a folder of their own, on a free port. What they start in the background ends with them. */
async function runs(t, code, files) {
  const where = folder(t, files);
  if (/cert\.pem/.test(code)) certify(where);
  fs.symlinkSync(program, path.join(where, 'happn'));
  const port = await freePort();
  const here = code.replaceAll('55000', String(port)).replaceAll('/tmp/', `${where}/`);
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', `trap 'kill %1 2>/dev/null || true; wait' EXIT\n${here}`],
    { cwd: where, env: { ...process.env, PATH: `${where}:${process.env.PATH}` }, encoding: 'utf8', timeout: 60000 });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

test('no snippet is run by nobody', () => {
  const pages = ['README.md', ...fs.readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
  for (const page of pages) {
    for (const { kind, mark, text } of snippets(page)) {
      const who = SOMEBODY[page] && SOMEBODY[page][kind];
      assert.ok(who, `${page}: nobody runs its ${kind}`);
      assert.ok(who !== 'marked' || mark, `${page} has this without a mark:\n${text}`);
    }
  }
});

for (const [page, kinds] of Object.entries(SOMEBODY)) {
  if (kinds.json !== 'here') continue;
  const configs = of(page, 'json').filter((text) => !text.startsWith('{"time"')); // that is a line of the audit log
  test(`the configurations of ${page} serve`, async (t) => {
    assert.notEqual(configs.length, 0);
    for (const text of configs) {
      const isWhole = !/^\{ "name"/.test(text); // else a list of datastores
      const server = await serves(t, isWhole ? text : `{"services":{"data":{"config":{"datastores":[${text}]}}}}`);
      await server.stop();
    }
  });
}

test('the shell lines of docs/security.md make a user with permissions', async (t) => {
  const [config] = of('docs/security.md', 'json');
  const said = await runs(t, of('docs/security.md', 'sh').join('\n'), { 'happn.json': config });
  const answers = said.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(answers.length, 3, said);
  assert.ok(answers.every((answer) => !answer.error), said);
});

test('the shell lines of docs/http.md serve with a certificate', async (t) => {
  const [code] = of('docs/http.md', 'sh');
  const said = await runs(t, code.replace('\ncurl ', '\ncurl --retry 50 --retry-delay 0 --retry-max-time 30 --retry-connrefused -s '), {});
  assert.match(said, /pong/i);
});

test('the first tour of README.md sets and gets over HTTP', async (t) => {
  const server = await Server.start(['--config', path.join(root, 'examples/quickstart/happn.json')]);
  t.after(() => server.child.kill('SIGKILL'));
  const asks = lines('README.md', 'curl ');
  assert.equal(asks.length, 2);
  const [set, get] = asks.map((line) => spawnSync('sh', ['-c', line.replace('curl ', 'curl -sf ').replace('55000', String(server.port))], { encoding: 'utf8' }));
  assert.equal(set.status, 0, set.stderr);
  assert.equal(JSON.parse(get.stdout).text, 'by HTTP');
  await server.stop();
});

test('the commands of README.md move documents in, serve, copy and begin a project', async (t) => {
  const [moveIn] = lines('README.md', 'happn import ');
  const [serve] = lines('README.md', 'happn serve --port ');
  const [copy] = lines('README.md', 'happn backup ');
  const [begin] = lines('README.md', 'happn init ');
  const old = '{"_id":"/a","path":"/a","data":{"n":1},"created":1,"modified":2}\n';
  const said = await runs(t, `${moveIn}\n${serve.replace(/ *#.*/, '')} 2>log &\nuntil grep -q listening log; do sleep 0.05; done\n${copy}\n${begin}`, { 'old.nedb': old });
  assert.match(said, /1 lines read: 1 writes/);
  assert.match(said, /^ok 1 /m);
});

test('the commands of docs/moving.md move documents in and out', async (t) => {
  const commands = ['happn import ', 'happn export ', 'happn backup '].flatMap((start) => lines('docs/moving.md', start)).join('\n');
  const old = ['/orders/1', '/orders/2', '/a'].map((name) => `${JSON.stringify({ _id: name, path: name, data: {}, created: 1, modified: 2 })}\n`).join('');
  const said = await runs(t, commands.replaceAll(' /var/lib/old/', ' ').replaceAll(' /backups/', ' '), { 'happn.nedb': old });
  assert.match(said, /^2$/m); // lines of orders
  assert.equal(said.match(/3 documents/g).length, 3, said); // imported, exported, copied
});

test('the lines of docs/lua-tools.md for the repl say what stands there', async (t) => {
  const page = fs.readFileSync(path.join(root, 'docs/lua-tools.md'), 'utf8');
  const [, typed] = /^ {4}happn repl --url .*\n\n((?: {4}.*\n)+)/m.exec(page);
  const [asked, told] = [/^> /, /^(?!> )/].map((what) => typed.trimEnd().split('\n').map((line) => line.slice(4)).filter((line) => what.test(line)));
  const server = await serves(t, '{}');
  const { stdout, status } = spawnSync(program, ['repl', '--url', `ws://127.0.0.1:${server.port}`], { input: asked.map((line) => `${line.slice(2)}\n`).join(''), encoding: 'utf8' });
  assert.deepEqual([status, stdout], [0, `${told.join('\n')}\n`]);
  await server.stop();
});

test('the search of docs/search.md finds and removes', async (t) => {
  const server = await serves(t, '{}');
  const client = await Client.connect('13', server.port);
  const totals = Array.from({ length: 31 }, (_, i) => 100 + i); // 100 is not more than 100: thirty of them, of which the last ten are wanted
  for (const total of totals) await client.set(`/orders/${total}`, { state: 'open', total, customer: `c${total}`, lines: [] });
  await client.set('/orders/gone', { state: 'cancelled', total: 500 });
  const seen = [];
  const asked = { get: async (...args) => seen.push(await client.get(...args)), remove: (...args) => client.remove(...args) };
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction('client', of('docs/search.md', 'js')[0])(asked);
  const found = Array.from(seen[0], ({ total, customer, ...rest }) => [total, customer, Object.keys(rest).join()]);
  assert.deepEqual(found, Array.from({ length: 10 }, (_, i) => [110 - i, `c${110 - i}`, '_meta']));
  assert.equal(await client.get('/orders/gone'), null);
  assert.equal((await client.get('/orders/*')).length, totals.length);
  await client.disconnect();
  await server.stop();
});

test('the page of docs/clients.md sets a document', async (t) => {
  const where = folder(t, { 'index.html': of('docs/clients.md', 'html')[0] });
  const server = await serves(t, JSON.stringify({ services: { connect: { config: { static: [{ mount: '/page', folder: where }] } } } }));
  const client = await Client.connect('13', server.port);
  const events = new Events();
  await client.on('/quickstart/page', {}, events.handler);
  const browser = await Browser.open();
  t.after(() => browser.close());
  await browser.call('Page.enable');
  await browser.call('Page.navigate', { url: `http://127.0.0.1:${server.port}/page/` });
  const { data } = await events.next();
  assert.equal(data.text, 'by a page');
  await client.disconnect();
  await server.stop();
});
