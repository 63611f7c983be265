// The complete way through the house: a 6.3.2 client sets, a Lua layer stamps, clients of every kind receive, a Lua route
// returns it over HTTP, and after kill -9 and a restart it is still there.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');

const example = path.join(__dirname, '../../examples/quickstart');

/** A program that says `ready` and then one line an event. */
async function listener(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'ready', `${command} ${args[0]}`);
  return {
    next: async () => JSON.parse((await lines.next()).value.replace(/^event /, '')),
    exited: once(child, 'exit'),
  };
}

const python = `
import asyncio, json, sys, happn
async def main():
    async with happn.connect(port=int(sys.argv[1])) as client:
        heard = asyncio.get_running_loop().create_future()
        await client.on("/quickstart/*", lambda event: heard.done() or heard.set_result(event.data))
        print("ready", flush=True)
        print("event", json.dumps(await heard), flush=True)
asyncio.run(main())
`;
const node = `
const happn = require(process.env.HAPPN_MODULE);
happn.connect({ port: Number(process.argv[1]) }).then(async (client) => {
  await client.on('/quickstart/*', async (data) => {
    console.log('event ' + JSON.stringify(data));
    await client.disconnect();
  });
  console.log('ready');
});
`;

test('first light', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  const args = ['--config', path.join(example, 'happn.json'), '--file', path.join(folder, 'documents.db')];
  const server = await Server.start(args);
  const six = await Client.connect('6', server.port);
  const heard = [new Events(), new Events()];
  const others = [await Client.connect('8', server.port), await Client.connect('13', server.port)];
  for (const [i, client] of others.entries()) await client.on('/quickstart/*', {}, heard[i].handler);
  const programs = await Promise.all([
    listener(process.env.HAPPN_LISTEN, [server.port, '/quickstart/*', 1]),
    listener('python3', ['-c', python, server.port]),
    listener('node', ['-e', node, server.port]),
  ]);

  const stored = await six.set('/quickstart/light', { first: true, secret: 'hidden' });
  assert.equal(stored.stamped, 'by layers/stamp.lua');
  assert.equal(stored.secret, undefined);
  const events = await Promise.all([...heard.map((item) => item.next().then((event) => event.data)), ...programs.map((item) => item.next())]);
  for (const data of events) {
    assert.equal(data.first, true);
    assert.equal(data.stamped, 'by layers/stamp.lua');
    assert.equal(data.secret, undefined);
  }
  for (const program of programs) assert.equal((await program.exited)[0], 0);

  const url = () => `http://127.0.0.1:${server.port}/quickstart/documents/light`;
  assert.equal((await (await fetch(url())).json()).stamped, 'by layers/stamp.lua');
  for (const client of [six, ...others]) await client.disconnect();

  await server.stop('SIGKILL');
  await server.launch();
  const after = await (await fetch(url())).json();
  assert.equal(after.first, true);
  assert.equal(after.stamped, 'by layers/stamp.lua');
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a server that stops for good tells its clients not to come back', async () => {
  const happn = require(process.env.HAPPN_MODULE);
  for (const generation of ['6', '8', '13']) {
    const service = await happn.service.create({ port: 0, host: '127.0.0.1', utils: { logLevel: 'warn' } });
    const client = await Client.connect(generation, service.port);
    let tries = 0;
    client.inner.onEvent('reconnect-scheduled', () => { tries++; });
    const ended = new Promise((resolve) => client.inner.onEvent('connection-ended', resolve));
    const reason = generation !== '13' ? null : new Promise((resolve) => client.inner.onEvent('session-ended', resolve));
    await service.stop({ reconnect: false });
    await ended;
    if (reason) assert.equal((await reason).reason, 'reconnect-false');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(tries, 0);
    client.disconnect({ timeout: 100 }).catch(() => {});
  }
});
