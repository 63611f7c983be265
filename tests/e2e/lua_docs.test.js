// The tutorial followed literally, and the cookbook's recipes tried: docs/lua-tutorial.md, docs/lua-cookbook.md.
// In a tutorial ```lua file=X writes a file, ```sh is run (```sh fails must fail, ```sh serve stays), ```text holds lines of what that said.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { freePort } = require('./support/server');

const program = path.resolve(process.env.HAPPN_PROGRAM || path.join(__dirname, '../../build/asan/happn'));
const docs = path.join(__dirname, '../../docs');

function blocks(file) {
  const found = [...fs.readFileSync(path.join(docs, file), 'utf8').matchAll(/^```(\w+)(?: ([^\n]*))?\n([^]*?)^```$/gm)];
  return found.map(([, kind, info = '', text]) => ({ kind, info, text }));
}

function write(folder, name, text) {
  fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  fs.writeFileSync(path.join(folder, name), text);
}

test('the tutorial is true, word for word', async (t) => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-tutorial-'));
  const bin = path.join(home, 'bin');
  fs.mkdirSync(bin);
  fs.symlinkSync(program, path.join(bin, 'happn'));
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const port = await freePort();
  const here = (text) => text.replaceAll('55000', String(port));
  let folder = home;
  let said = '';
  let server;
  t.after(() => server && server.kill('SIGKILL'));
  for (const { kind, info, text } of blocks('lua-tutorial.md')) {
    if (info.startsWith('file=')) {
      write(folder, info.slice(5), here(text));
    } else if (kind === 'sh' && info === 'serve') {
      server = spawn('sh', ['-c', `exec ${text.trim()}`], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
      await new Promise((resolve, reject) => {
        let log = '';
        server.stderr.on('data', (part) => { log += part; if (/listening/.test(log)) resolve(); });
        server.on('exit', () => reject(new Error(log)));
      });
    } else if (kind === 'sh') {
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', `${here(text)}\npwd > ${home}/where`], { cwd: folder, env, encoding: 'utf8' });
      said = stdout + stderr;
      assert.equal(status !== 0, info === 'fails', `${text}${said}`);
      if (status === 0) folder = fs.readFileSync(`${home}/where`, 'utf8').trim();
    } else if (kind === 'text') {
      for (const line of text.trimEnd().split('\n')) assert.ok(said.includes(line), `${line} is not in:\n${said}`);
    }
  }
  server.removeAllListeners('exit');
  const gone = new Promise((resolve) => server.on('exit', resolve));
  server.kill();
  assert.equal(await gone, 0);
  fs.rmSync(home, { recursive: true });
});

test('the cookbook\'s recipes do what they say', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-cookbook-'));
  const recipes = blocks('lua-cookbook.md').filter(({ info }) => info.startsWith('file='));
  assert.ok(recipes.length >= 20, `${recipes.length} recipes`);
  for (const { info, text } of recipes) write(folder, info.slice(5), text);
  fs.copyFileSync(path.join(__dirname, '../lua/cookbook_test.lua'), path.join(folder, 'cookbook_test.lua'));
  const tests = fs.readFileSync(path.join(folder, 'cookbook_test.lua'), 'utf8');
  for (const { info } of recipes) assert.ok(tests.includes(info.slice(5)), `${info.slice(5)} is tried`);
  for (const args of [['test'], ['check']]) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  }
  fs.rmSync(folder, { recursive: true });
});
