// happn repl with a person before it: what the keys do.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { Server, program } = require('./support/server');
const { Terminal } = require('./support/terminal');

const place = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-repl-'));
const history = path.join(place, 'history');
const terminals = [];
test.after(() => terminals.forEach((terminal) => terminal.kill()));

const LEFT = '\x1b[D', UP = '\x1b[A', CTRL_C = '\x03', CTRL_D = '\x04', BACKSPACE = '\x7f';

async function start(args = [], env = {}) {
  const terminal = new Terminal(program, ['repl', ...args], { HAPPN_HISTORY: history, HOME: place, ...env });
  terminals.push(terminal);
  await terminal.until('> ');
  return terminal;
}

async function leave(terminal) {
  terminal.type(CTRL_D);
  assert.equal(await terminal.end(), 0, terminal.out);
}

const after = { timeout: 60000 };

test('lines are edited, and come back by the arrow keys, also the next time', after, async () => {
  const first = await start();
  first.type(`12 + 3${LEFT}${LEFT}${LEFT}${BACKSPACE}0\r`);
  await first.until('\n123\n> ');
  first.type('"ä€" .. "x"' + `${LEFT}${BACKSPACE}y\r`);
  await first.until('\n"ä€y"\n> ');
  first.type(`${UP}${UP}\r`);
  await first.until('\n123\n> ');
  await leave(first);
  assert.equal(fs.statSync(history).mode & 0o777, 0o600);
  const second = await start();
  second.type(`${UP}${UP}\r`);
  await second.until('\n"ä€y"\n> ');
  await leave(second);
  const none = await start([], { HAPPN_HISTORY: '' });
  none.type(`${UP}77\r`);
  await none.until('\n77\n> ');
  await leave(none);
  assert.equal(fs.existsSync(path.join(place, '.happn_history')), false);
});

test('the tab key completes names: of happn, of libraries, of documents, and words', after, async () => {
  const terminal = await start();
  terminal.type('happn.js\t.en\t({ a = 1 })\r');
  await terminal.until('\n"{\\"a\\":1}"\n> ');
  terminal.type('happn.p\t');
  await terminal.until('path     paths    publish  \n> happn.p');
  terminal.type('at\t("/a")\r');
  await terminal.until('\n"/a"\n> ');
  terminal.type('doc = happn.set("/a", { alpha = { beta = 5 }, other = 1 }) print("set")\r');
  await terminal.until('\nset\n> '); // a prompt alone may be that of the line being typed, drawn anew
  terminal.type('do\t');
  await terminal.until('do   doc');
  await terminal.until('> do');
  terminal.type(CTRL_C);
  await terminal.until('^C\n> ');
  terminal.type('doc.al\t.b\t\r');
  await terminal.until('\n5\n> ');
  terminal.type('retu\t\t6\r'); // return6: behind a whole word there is nothing to add
  await terminal.until('\nnil\n> ');
  await leave(terminal);
});

test('a statement goes on in the next line, and Ctrl-C begins anew', after, async () => {
  const terminal = await start();
  terminal.type('for i = 1, 2 do\r');
  await terminal.until('\n>> ');
  terminal.type('print("turn", i)\r');
  await terminal.until('\n>> ');
  terminal.type('end\r');
  await terminal.until('\nturn\t1\nturn\t2\n> ');
  terminal.type('for i = 1, 2 do\r');
  await terminal.until('\n>> ');
  terminal.type(`half a li${CTRL_C}`);
  await terminal.until('^C\n> ');
  terminal.type('1 + 1\r');
  await terminal.until('\n2\n> ');
  terminal.type('exit\r');
  assert.equal(await terminal.end(), 0, terminal.out);
});

test('Ctrl-C ends what runs: an endless loop, and waiting for an answer', after, async () => {
  fs.writeFileSync(path.join(place, 'slow.lua'), 'return { actions = { "set" }, inbound = function() happn.sleep("10m") end }\n');
  fs.writeFileSync(path.join(place, 'happn.json'), JSON.stringify({ services: {
    protocol: { config: { inboundLayers: ['slow.lua'] } },
    script: { config: { layerWallMs: 3600000 } },
  } }));
  const server = await Server.start(['--config', path.join(place, 'happn.json')]);
  const terminal = await start(['--url', `ws://127.0.0.1:${server.port}`]);
  terminal.type('print("begun") while true do end\r');
  await terminal.until('\nbegun\n');
  terminal.type(CTRL_C);
  await terminal.until('\nerror: repl:1: interrupted\n> ');
  terminal.type('print("begun") happn.set("/a", {})\r');
  await terminal.until('\nbegun\n');
  terminal.type(CTRL_C);
  await terminal.until('interrupted\n> ');
  terminal.type('20 + 5\r');
  await terminal.until('\n25\n> ');
  await leave(terminal);
  await server.stop('SIGKILL'); // it would wait for the layer
});

test('the repl of a configuration shows the log above the line, and a connection is made again', after, async () => {
  fs.writeFileSync(path.join(place, 'tick.lua'), 'happn.every("1s", function() happn.log.info("tick") end)\nreturn {}\n');
  const config = path.join(place, 'tick.json');
  fs.writeFileSync(config, JSON.stringify({ services: { script: { config: { scripts: ['tick.lua'] } } } }));
  const own = await start(['--config', config]);
  own.type('20 +');
  await own.until('[script] tick.lua:1: tick\n> 20 +');
  own.type(' 4\r');
  await own.until('\n24\n');
  await own.until('> '); // before it reads keys the terminal itself takes Ctrl-D
  await leave(own);
  const server = await Server.start();
  const terminal = await start(['--url', `ws://127.0.0.1:${server.port}`]);
  await server.stop();
  terminal.type('happn.get("/none")\r');
  await terminal.until('error: Closed: already closed: the server has gone; when it is back, go on\n> ');
  const again = await Server.start([], { port: server.port });
  for (let seen = 'error'; seen.includes('error');) {
    terminal.type('happn.get("/none")\r');
    seen = await terminal.until('\n> ');
  }
  await again.stop();
  await leave(terminal);
});

test('an event that comes while a line is typed does not harm the line', after, async () => {
  const server = await Server.start();
  const url = `ws://127.0.0.1:${server.port}`;
  const terminal = await start(['--url', url]);
  terminal.type('happn.on("/a/*", function(data) print("event", data.n) end)\r');
  await terminal.until('\n1\n> ');
  terminal.type('20 +');
  await terminal.until('20 +');
  spawnSync(program, ['repl', '--url', url], { input: 'happn.set("/a/b", { n = 5 })\n' });
  await terminal.until('event\t5\n');
  await terminal.until('> 20 +');
  terminal.type(' 3\r');
  await terminal.until('\n23\n> ');
  await leave(terminal);
  await server.stop();
});
