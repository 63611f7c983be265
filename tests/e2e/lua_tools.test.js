// The tools for people who write scripts, as programs: what they print and with which code they end.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { program } = require('./support/server');

const guide = fs.readFileSync(path.join(__dirname, '../../docs/lua.md'), 'utf8');

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

test('the examples of the guide are without errors', () => {
  const files = examples();
  assert.ok(Object.keys(files).length >= 5);
  const result = run(folder(files), 'check');
  assert.equal(result.status, 0, result.stdout);
});
