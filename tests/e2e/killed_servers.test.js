// Our own clients and servers that are killed: nothing waits for a time, only for what happens.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { Server } = require('./support/server');
const happn = require(path.join(process.env.HAPPN_MODULE, 'index.js'));
const { vectors: [key] } = require('../vectors/keys.json');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-killed-'));
test.after(() => fs.rmSync(folder, { recursive: true, force: true }));

const next = (client, name) => new Promise((resolve) => client.onEvent(name, resolve));

test('a pool of three, of which two are killed in turn; a login by key; what each knows is told', async (t) => {
  const secured = ['--set', 'secure=true', '--set', 'services.security.config.adminUser.password="pass"'];
  const servers = [];
  for (let i = 0; i < 3; i++) {
    const server = await Server.start([...secured, '--file', path.join(folder, `${i}.db`)]);
    t.after(() => server.child.kill('SIGKILL'));
    const admin = await happn.connect({ port: server.port, username: '_ADMIN', password: 'pass' });
    await admin.security.users.upsertUser({ username: 'machine', publicKey: key.publicKey_base64, permissions: { '/m/*': { actions: ['*'] } } });
    await admin.set(`/m/${i}`, { of: i });
    await admin.disconnect();
    servers.push(server);
  }
  const told = [];
  const client = await happn.connect({
    pool: servers.map(({ port }) => ({ port })), poolType: 0, reconnect: true, reconnectMin: 20, username: 'machine', privateKey: key.privateKey_base64,
  });
  client.onEvent('connection-lost', () => told.push('lost'));
  client.onEvent('reconnect-successful', () => told.push('back'));
  await client.on('/m/*', { initialEmit: true }, (data) => told.push(data.of));
  for (const victim of servers.slice(0, 2)) {
    const back = next(client, 'reconnect-successful');
    await victim.stop('SIGKILL');
    await back;
  }
  assert.deepEqual(told, [0, 'lost', 1, 'back', 'lost', 2, 'back']);
  const [first, , last] = servers;
  first.args[first.args.indexOf('--port') + 1] = String(first.port);
  await first.launch();
  const again = next(client, 'reconnect-successful');
  await last.stop('SIGKILL'); // the only one that is left was away, too
  await again;
  assert.deepEqual(told.slice(-3), ['lost', 0, 'back']);
  await client.set('/m/0', { of: 'all' });
  await client.disconnect();
  await first.stop();
});

const python = `
import asyncio, sys, happn
async def main():
    news = asyncio.Queue()
    async with happn.connect(port=int(sys.argv[1]), reconnect=True, reconnectMin=20) as client:
        client.on_connection = lambda what: news.put_nowait(what["state"])
        whole = await client.on("/p/*", lambda event: None, initialCallback=True)
        print("ready", len(whole.initial), flush=True)
        while await news.get() != "lost": pass
        await client.off_path("/none")
        print("lost", flush=True)
        while await news.get() != "back": pass
        print("back", len(whole.initial), flush=True)
        await client.set("/p/2", {"n": 2})
asyncio.run(main())`;

test('a client in Python outlives its server', async (t) => {
  const server = await Server.start(['--file', path.join(folder, 'python.db')]);
  t.after(() => server.child.kill('SIGKILL'));
  const seed = await happn.connect({ port: server.port });
  await seed.set('/p/1', { n: 1 });
  await seed.disconnect();
  const child = spawn('python3', ['-c', python, String(server.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  assert.equal(await line(), 'ready 1');
  const { port } = server;
  await server.stop('SIGKILL');
  assert.equal(await line(), 'lost');
  const elsewhere = await Server.start(['--file', path.join(folder, 'python.db')]); // somebody changes something meanwhile
  const other = await happn.connect({ port: elsewhere.port });
  await other.set('/p/3', { n: 3 });
  await other.disconnect();
  await elsewhere.stop();
  server.args[server.args.indexOf('--port') + 1] = String(port);
  await server.launch();
  assert.equal(await line(), 'back 2');
  assert.equal(await ended, 0);
  await server.stop();
});
