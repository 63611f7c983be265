// The tools for people who write scripts, as programs: what they print and with which code they end.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');
const { spawn, spawnSync } = require('node:child_process');
const { Server, program } = require('./support/server');

const guide = fs.readFileSync(path.join(__dirname, '../../docs/lua.md'), 'utf8') +
  fs.readFileSync(path.join(__dirname, '../../docs/lua-tools.md'), 'utf8');

function folder(files) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-tools-'));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  return root;
}

const run = (cwd, ...args) => spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 60000 });

// The examples of the guide: each begins with the name of its file.
function examples() {
  const found = {};
  for (const [, text] of guide.matchAll(/```lua\n([\s\S]*?)```/g)) {
    const name = /^-- (\S+\.lua)/.exec(text);
    if (name) found[name[1]] = text;
  }
  return found;
}

test('happn check: findings, exit codes, help', () => {
  const root = folder({ 'a.lua': 'return { inbond = function() end }\n', 'b.lua': 'count = 1\nreturn { inbound = function() end }\n' });
  const both = run(root, 'check');
  assert.equal(both.stdout, 'a.lua:1: error: unknown key "inbond"; did you mean inbound?\nb.lua:1: warning: this makes a global of count; is local count meant?\n' +
    '2 files, 1 error, 1 warning\n');
  assert.equal(both.status, 1);
  assert.equal(run(root, 'check', 'b.lua').status, 0);
  assert.equal(run(root, 'check', '--strict', 'b.lua').status, 1);
  assert.equal(run('/', 'check', '--quiet', root).stdout, both.stdout.split('\n').slice(0, 2).join('\n') + '\n');
  assert.match(run(root, 'check', '/nowhere').stderr, /happn check: \/nowhere: No such file/);
  assert.equal(run(root, 'check', '--dance').status, 2);
  assert.match(run(root, 'check', '--help').stdout, /usage: happn check/);
});

test('happn check reads the happn.json of the folder', () => {
  const config = { services: { protocol: { config: { inboundLayers: [{ script: 'a.lua', config: { mox: 1 } }] } } } };
  const root = folder({ 'happn.json': JSON.stringify(config), 'a.lua': 'return { config = { max = {} }, inbound = function() end }\n' });
  const result = run(root, 'check');
  assert.match(result.stdout, /^a\.lua: error: config: the script does not know "mox"\n/);
  assert.equal(result.status, 1);
});

const TESTS = `local t = require "happn.test"
t.case("passes # well", function()
  t.equal(t.client { layers = { inbound = { "a.lua" } } }:set("/x", { n = 1 }).n, 2)
end)
t.case("fails <really>", function()
  t.equal(1, 2)
end)
`;
const LAYER = `return { actions = { "set" }, inbound = function(msg)
  msg.data.n = msg.data.n + 1
end }
`;

test('happn test: TAP, JUnit, coverage, exit codes', () => {
  const root = folder({ 'a.lua': LAYER, 'tests/a_test.lua': TESTS });
  const all = run(root, 'test', '--coverage', '--junit', 'out.xml');
  assert.equal(all.status, 1);
  assert.equal(all.stdout, `TAP version 14
ok 1 - tests/a_test.lua: passes \\# well
not ok 2 - tests/a_test.lua: fails <really>
  ---
  message: |
    not equal
         got: 1
    expected: 2
  at: tests/a_test.lua:6
  ...
# 100.0%  a.lua
# 100.0%  all
1..2
# 1 passed, 1 failed
`);
  const xml = fs.readFileSync(path.join(root, 'out.xml'), 'utf8');
  assert.match(xml, /<testcase classname="tests\/a_test\.lua" name="passes # well" file="tests\/a_test\.lua" line="2" time="[\d.]+"\/>/);
  assert.match(xml, /name="fails &lt;really&gt;"[^>]*><failure message="not equal\n/);
  assert.match(xml, /^<\?xml [^]*<testsuites tests="2" failures="1">\n<testsuite name="happn test" tests="2" failures="1">\n/);
  assert.equal(run(root, 'test', '--filter', 'passes').status, 0);
  assert.equal(run(root, 'test', 'tests/a_test.lua').status, 1);
  assert.equal(run('/', 'test', root, '--filter', 'passes').status, 0);
  const none = run(root, 'test', '--filter', 'dances');
  assert.equal(none.status, 1);
  assert.match(none.stderr, /there is no test with such a name/);
  assert.match(run(root, 'test', '--help').stdout, /usage: happn test/);
});

test('happn test and happn check begin where the configuration says', () => {
  const config = { services: { script: { config: { root: 'scripts' } }, protocol: { config: { inboundLayers: ['a.lua'] } } } };
  const root = folder({ 'happn.json': JSON.stringify(config), 'scripts/a.lua': LAYER, 'scripts/tests/a_test.lua': TESTS });
  assert.match(run(root, 'test', '--filter', 'passes').stdout, /^ok 1 - tests\/a_test\.lua: passes/m);
  assert.match(run('/', 'test', root, '--filter', 'passes').stdout, /# 1 passed, 0 failed/);
  assert.equal(run(root, 'check').stdout, '2 files, 0 errors, 0 warnings\n');
});

test('happn test and happn check find the configuration above the folder or file that is named, and the one they are in', () => {
  const config = { services: { protocol: { config: { inboundLayers: ['layers/a.lua'] } } } };
  const tests = TESTS.replace('a.lua', 'layers/a.lua').replace('equal(1, 2)', 'equal(2, 2)');
  const root = folder({
    'happn.json': JSON.stringify(config), 'layers/a.lua': LAYER, 'layers/lib/m.lua': 'return 1\n', 'tests/a_test.lua': tests, 'more/b_test.lua': tests, 'bad.lua': 'x = = 1\n',
  });
  for (const [where, ...args] of [[root, 'tests'], [root, './tests/'], [path.join(root, 'tests')], [root, 'tests/a_test.lua'], ['/', path.join(root, 'tests')]]) {
    assert.match(run(where, 'test', ...args).stdout, /^ok 1 - tests\/a_test\.lua: passes[^]*# 2 passed, 0 failed\n$/m, [where, ...args].join(' '));
  }
  assert.match(run(root, 'test', 'tests', 'more/b_test.lua').stdout, /# 4 passed, 0 failed/);
  assert.equal(run(root, 'check', 'layers').stdout, '2 files, 0 errors, 0 warnings\n');
  assert.equal(run(path.join(root, 'layers'), 'check').stdout, '2 files, 0 errors, 0 warnings\n');
  assert.equal(run(root, 'check', 'layers', 'bad.lua').stdout, 'bad.lua:1: error: unexpected symbol near \'=\'\n3 files, 1 error, 0 warnings\n');
});

test('happn test --watch runs again when a file changes', async () => {
  const root = folder({ 'a.lua': LAYER, 'a_test.lua': TESTS });
  const child = spawn(program, ['test', '--watch', '--junit', 'out.xml'], { cwd: root });
  let out = '';
  const seen = (text) => new Promise((resolve) => {
    const look = () => { if (out.includes(text)) resolve(); else child.once('chunk', look); };
    look();
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => { out += chunk; child.emit('chunk'); });
  }
  await seen('# 1 passed, 1 failed');
  out = '';
  fs.writeFileSync(path.join(root, 'a_test.lua'), TESTS.replace('equal(1, 2)', 'equal(2, 2)'));
  await seen('# 2 passed, 0 failed');
  child.kill();
});

test('the examples of the guide are without errors, and its tests pass', () => {
  const files = examples();
  assert.ok(Object.keys(files).length >= 5);
  const root = folder(files);
  const result = run(root, 'check');
  assert.equal(result.status, 0, result.stdout);
  const tests = run(root, 'test');
  assert.match(tests.stdout, /# 4 passed, 0 failed/);
});

test('happn init makes a folder whose tests pass, whose scripts are sound and which serves', async () => {
  const root = folder({});
  const made = run(root, 'init', 'notes');
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /notes\/happn\.json\n[\s\S]*Next: cd notes; happn test; happn serve --config happn\.json/);
  const notes = path.join(root, 'notes');
  assert.match(run(notes, 'test').stdout, /# 3 passed, 0 failed/);
  const checked = run(notes, 'check', '--strict');
  assert.equal(checked.stdout, '3 files, 0 errors, 0 warnings\n');
  const server = await Server.start(['--config', path.join(notes, 'happn.json'), '--port', '0']);
  const base = `http://127.0.0.1:${server.port}/api/notes`;
  const posted = await fetch(base, { method: 'POST', body: JSON.stringify({ text: 'milk' }), headers: { 'content-type': 'application/json' } });
  assert.equal(posted.status, 201);
  assert.equal((await (await fetch(base)).json())[0].text, 'milk');
  await server.stop();
  const again = run(root, 'init', 'notes');
  assert.equal(again.status, 1);
  assert.match(again.stderr, /notes\/happn\.json is there already/);
  fs.writeFileSync(path.join(notes, 'types/happn.lua'), 'old');
  assert.equal(run(root, 'init', '--types', 'notes').status, 0);
  assert.match(fs.readFileSync(path.join(notes, 'types/happn.lua'), 'utf8'), /^---@meta\n/);
  assert.equal(run(root, 'init', 'a', 'b').status, 2);
});

test('happn scripts says so when the server does not answer, and waits', async () => {
  const socket = path.join(folder({}), 'control.sock');
  let answer;
  const asked = new Promise((resolve) => {
    const server = net.createServer((visitor) => visitor.once('data', () => {
      answer = () => { visitor.end('{"ok":true,"result":{"generation":7}}\n'); server.close(); };
      resolve();
    })).listen(socket);
  });
  const child = spawn(program, ['scripts', '--json', '--control', socket]);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => { out += chunk; });
  await asked;
  const [said] = await once(child.stderr.setEncoding('utf8'), 'data');
  assert.equal(said, 'happn scripts: the server has not answered yet; when it stands still, its log says where\n');
  answer();
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).generation, 7);
});

test('happn scripts tells when and where the server stood still', async () => {
  const socket = path.join(folder({}), 'control.sock');
  const stalls = {
    count: 2,
    longest: { ms: 2410, isOver: true, place: 'a.lua, inbound, line 9 or after', note: 'a.lua near line 9, a message of /x' },
    last: { ms: 1630, isOver: true, place: 'in C: get', note: '' },
  };
  const result = { generation: 1, memory: 2, memoryLimit: 3, timers: 0, listeners: 0, scripts: [], metrics: {}, tasks: [], stalls };
  const server = net.createServer((visitor) => visitor.once('data', () => visitor.end(`${JSON.stringify({ ok: true, result })}\n`))).listen(socket);
  const child = spawn(program, ['scripts', '--control', socket]);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => { out += chunk; });
  await once(child, 'close');
  server.close();
  assert.ok(out.includes(`stood still 2 times
  longest 2410 ms: a.lua, inbound, line 9 or after; a.lua near line 9, a message of /x
  last    1630 ms: in C: get
`), out);
});

const repl = (lines, ...args) => spawnSync(program, ['repl', ...args], { input: lines, encoding: 'utf8', timeout: 60000 });

test('happn repl: statements, values, events and errors, on a server of its own', () => {
  const result = repl(`happn.set("/a/b", { c = 1, b = happn.array{} })
happn.get("/none"), 1 + 1, "x"
for i = 1, 2 do
  print("i", i)
end
happn.on("/a/*", function(data, meta) print("event", data.c, meta.path) end)
happn.set("/a/c", { c = 5 })
happn.count("/a/*")
nil + 1
x = = 3
happn.set("/bad/*", 1)
happn.path("/a", "*")
kept = 7
kept
for i = 1,`);
  assert.equal(result.stdout, `{"b":[],"c":1}
nil
2
"x"
i\t1
i\t2
1
event\t5\t/a/c
{"c":5}
2
error: repl:1: attempt to perform arithmetic on a nil value
error: repl:1: unexpected symbol near '='
error: BadPath: the path is not valid
error: repl:1: bad argument #2 to 'path' (a part of a path cannot contain / or *)
7
error: repl:1: unexpected symbol near <eof>
`);
  assert.equal(result.status, 0);
});

test('happn repl says what is missing, shows what is no JSON, and knows a few words', () => {
  const result = repl(`happn.get()
happn.get(5)
happn.set("/a")
happn.on("/a")
happn.gett("/a")
happn.sleep("1s")
{ 1, 2, x = "y", f = print, t = {} }
{ [1.5] = 2 }
setmetatable({}, { __index = error })
help
exit()
1 + 1
`);
  assert.equal(result.stdout, `error: happn.get: a path is missing
error: happn.get: a path is missing
error: happn.set: data is missing
error: happn.on: a function is missing
error: repl:1: happn has no gett; did you mean get?
error: repl:1: happn has no sleep
{ 1, 2, f = function, t = {...}, x = "y" }
{ ... }
{}
happn.get(path, options)  set(path, data, options)  remove  count  paths  publish(path, data)
happn.on(path, fn) calls fn(data, meta) for every event; happn.off(what on has returned)
happn.path json null array table is_null uuid; print; exit, or the end of the input, ends
`);
  assert.equal(result.status, 0);
  const odd = repl('', '--url', 'http://127.0.0.1');
  assert.equal(odd.status, 2);
  assert.match(odd.stderr, /--url is like ws:\/\/127\.0\.0\.1:55000 or wss:/);
});

test('happn repl: a running server, and a configuration of one', async () => {
  const server = await Server.start();
  const result = repl('happn.set("/a", { n = 1 })\nhappn.get("/a").n\n', '--url', `ws://127.0.0.1:${server.port}`);
  assert.equal(result.stdout, '{"n":1}\n1\n');
  assert.equal(result.status, 0, result.stderr);
  await server.stop();
  const gone = repl('', '--url', `ws://127.0.0.1:${server.port}`);
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /happn repl: .+/);
  const root = folder({ 'a.lua': LAYER, 'happn.json': JSON.stringify({ services: { protocol: { config: { inboundLayers: ['a.lua'] } } } }) });
  assert.equal(repl('happn.set("/x", { n = 1 }).n\n', '--config', path.join(root, 'happn.json')).stdout, '2\n');
  assert.equal(repl('', '--user', 'bob').status, 2);
});

test('happn repl shows events that arrive while it waits for a line', async () => {
  const server = await Server.start();
  const url = `ws://127.0.0.1:${server.port}`;
  const child = spawn(program, ['repl', '--url', url]);
  let out = '';
  const seen = (text) => new Promise((resolve) => {
    const look = () => { if (out.includes(text)) resolve(); else child.stdout.once('data', () => setImmediate(look)); };
    look();
  });
  child.stdout.setEncoding('utf8').on('data', (chunk) => { out += chunk; });
  child.stdin.write('happn.on("/a/*", function(data, meta) print("event", data.c, meta.path) end)\n');
  await seen('1\n');
  repl('happn.set("/a/c", { c = 5 })\n', '--url', url);
  await seen('event\t5\t/a/c\n');
  child.stdin.end();
  await new Promise((resolve) => child.on('exit', resolve));
  await server.stop();
});
