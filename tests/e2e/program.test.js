// The program: help, versions, and failed starts that say what to do.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { Server, program } = require('./support/server');
const { Client } = require('./support/clients');

const run = (...args) => spawnSync(program, args, { encoding: 'utf8', timeout: 20000 });
const last = (text) => text.trim().split('\n').pop();

test('--version and --help', () => {
  assert.match(run('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match(run('--help').stdout, /usage: happn COMMAND/);
  assert.match(run('serve', '--help').stdout, /--compat/);
  assert.equal(run('dance').status, 2);
  assert.equal(run('serve', '--dance').status, 2);
});

test('a taken port, an unreadable configuration, an unknown key: the last line says it', async () => {
  const server = await Server.start();
  const taken = run('serve', '--host', '127.0.0.1', '--port', String(server.port));
  assert.equal(taken.status, 1);
  assert.match(last(taken.stderr), /port \d+ on 127\.0\.0\.1 is taken by another program/);
  await server.stop();
  assert.match(last(run('serve', '--config', '/nowhere.json').stderr), /cannot read the configuration \/nowhere\.json: No such file/);
  assert.match(last(run('serve', '--set', 'prot=1').stderr), /prot is not known; did you mean port/);
  assert.match(last(run('serve', '--compat', '7').stderr), /compat must be 6, 8 or 13/);
  assert.match(last(run('serve', '--port', '0', '--file', '/nowhere/at/all.db').stderr), /\/nowhere\/at\/all\.db/);
});

test('SIGTERM answers what is in flight and ends well while clients are connected', async () => {
  const server = await Server.start();
  const client = await Client.connect('13', server.port);
  const answers = [];
  for (let i = 0; i < 200; i++) answers.push(client.set(`/t/${i}`, { i }));
  await answers[0];
  const ended = new Promise((resolve) => client.inner.onEvent('connection-ended', resolve));
  const stopped = server.stop();
  await Promise.all([stopped, ended]);
  client.disconnect({ timeout: 100 }).catch(() => {});
});
