// Several writers and listeners of every generation, who come and go: per path nothing is out of order, double or missing
// while one is connected, there is no gap after initial values, and lists and events tell one history. HISTORY_SEED repeats a run, HISTORY_WRITES makes it longer.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');
const WebSocket = require('ws');
const { judge, random } = require('./support/history');
const { generations } = require('./support/everybody');

test('the judge finds what is wrong', () => {
  const events = (...pairs) => ({ initial: { '/a': 1 }, events: pairs.map(([where, n]) => ({ path: where, n })) });
  assert.equal(judge(events(['/a', 2], ['/b', 1], ['/a', 3], ['/b', 2]), { '/a': 3, '/b': 2 }).length, 0);
  assert.match(judge(events(['/a', 3]))[0], /2 is missing/);
  assert.match(judge(events(['/a', 1]))[0], /twice/);
  assert.match(judge(events(['/a', 2], ['/a', 3], ['/a', 2]))[0], /came after 3/);
  assert.match(judge(events(['/b', 2]))[0], /nothing, then came 2/);
  assert.match(judge(events(['/a', 2]), { '/a': 3 })[0], /the last one is 2/);
});

const seed = Number(process.env.HISTORY_SEED) || Date.now() % 1000000;
const writes = Number(process.env.HISTORY_WRITES) || 400;

async function writer(server, index, draw, written) {
  const own = `/h/w${index}`; // its paths are its own: so there is one order
  let client = await Client.connect(generations[index % 4], server.port);
  const counts = [0, 0, 0];
  for (let done = 0; done < writes;) {
    const burst = [];
    for (let size = 1 + draw(20); size > 0 && done < writes; size--, done++) {
      const at = draw(3);
      const where = `${own}/${at}`;
      const options = [{}, { merge: true }, { consistency: 0 }, { consistency: 2, merge: true }][draw(4)];
      burst.push(client.set(where, { n: ++counts[at], filler: 'x'.repeat(draw(200)) }, options));
      written[where] = counts[at];
    }
    await Promise.all(burst);
    if (draw(15) === 0) {
      await client.disconnect();
      client = await Client.connect(generations[draw(4)], server.port);
    }
  }
  await client.disconnect();
}

/** Listens, is gone, and listens again, until told to stay; then its last record is complete. */
async function listener(server, draw, state) {
  const records = [];
  for (;;) {
    const generation = generations[draw(4)];
    const client = await Client.connect(generation, server.port);
    const record = { generation, initial: {}, events: [], first: true };
    records.push(record);
    const pattern = draw(2) === 0 || generation === '8' || generation === '13' ? '/h/*/*' : '/h/*';
    await new Promise((resolve, reject) => {
      const early = [];
      let isReady = false;
      const take = (data, meta) => record.events.push({ path: meta.path, n: data.n });
      const handler = (data, meta) => (isReady ? take(data, meta) : early.push([data, meta]));
      client.inner.on(pattern, { event_type: 'set', initialCallback: true }, handler, (error, handle, items) => {
        if (error) return reject(error);
        for (const item of items) record.initial[item._meta.path] = item.n;
        isReady = true;
        for (const [data, meta] of early) take(data, meta);
        return resolve();
      });
    });
    if (state.isOver) return { client, records };
    const until = state.progress() + 20 + draw(200);
    while (state.progress() < until && !state.isOver) await new Promise(setImmediate);
    if (state.isOver) return { client, records };
    await client.disconnect();
  }
}

async function history(t, args) {
  const draw = random(seed);
  t.diagnostic(`HISTORY_SEED=${seed}`);
  const server = await Server.start(args);
  const written = {};
  const state = { isOver: false, progress: () => Object.values(written).reduce((sum, n) => sum + n, 0) };
  const listening = Array.from({ length: 6 }, () => listener(server, draw, state));
  await Promise.all(Array.from({ length: 4 }, (_, index) => writer(server, index, draw, written)));
  state.isOver = true;
  const listeners = await Promise.all(listening);
  const mark = await Client.connect('13', server.port);
  for (const { client, records } of listeners) {
    const record = records[records.length - 1];
    const arrived = () => Object.keys(written).every((where) => Math.max(record.initial[where] || 0, ...record.events.filter((event) => event.path === where).slice(-1).map((event) => event.n)) >= written[where]);
    while (!arrived()) { // a listener that lost something would wait for ever: one more round trip is enough for what is under way
      await client.get('/h/none');
      if (!arrived()) { await mark.get('/h/none'); await client.get('/h/none'); break; }
    }
    for (const each of records) assert.deepEqual(judge(each, each === record ? written : {}), [], `seed ${seed}, a listener of ${each.generation}`);
    await client.disconnect();
  }
  assert.equal(state.progress(), writes * 4);
  await mark.disconnect();
  await server.stop();
}

test('in memory', (t) => history(t, []));
test('in a file', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-history-'));
  await history(t, ['--file', path.join(folder, 'documents.db')]);
  fs.rmSync(folder, { recursive: true });
});

/** A connection that shows each message as it arrives; `ask` resolves with the answer. */
async function connect(port, protocol, heard) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
  const waiting = new Map();
  let last = 0;
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    if (typeof message === 'string') {
      if (message.startsWith('primus::ping')) socket.send(JSON.stringify(message.replace('ping', 'pong')));
      return;
    }
    const meta = Array.isArray(message) ? message.pop() : message._meta;
    if (meta.type === 'data') {
      if (heard) heard(null, message, meta);
    } else {
      if (heard && Array.isArray(message)) heard(message);
      waiting.get(meta.eventId)(message);
      waiting.delete(meta.eventId);
    }
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  const ask = (action, where, data, options) => new Promise((resolve) => {
    waiting.set(++last, resolve);
    socket.send(JSON.stringify({ action, eventId: last, path: where, data, options }));
  });
  await ask('configure-session', undefined, { protocol });
  return { ask, end: () => socket.terminate() };
}

/** Who follows documents by `on` and `get`, as the messages come: no list takes back what an event has told, no event what a list has. */
async function follow(t, args, folders) {
  const draw = random(seed);
  t.diagnostic(`HISTORY_SEED=${seed}`);
  const server = await Server.start(args);
  const fill = await connect(server.port, 'happn_4');
  const most = 6000; // more than one slice of a walk
  const pad = (n) => String(n).padStart(5, '0');
  await Promise.all(Array.from({ length: most }, (_, n) => fill.ask('set', `/f/${folders[n % folders.length]}/${pad(n)}`, { n: 0 }, { noPublish: true })));
  const wrong = [];
  const readers = [];
  let lists = 0;
  for (const protocol of ['happn_2', 'happn_4']) {
    const own = { known: new Map(), events: new Map() }; // by path: what was told last by whichever, and by events
    own.client = await connect(server.port, protocol, (list, message, meta) => {
      const tell = (where, n) => {
        if (n < (own.known.get(where) || 0)) wrong.push(`${protocol} ${where}: ${n} after ${own.known.get(where)}`);
        own.known.set(where, n);
      };
      if (list) {
        lists++;
        for (const item of list) tell(item._meta.path, item.n);
        return;
      }
      const where = meta.action.replace('/SET@', '');
      if (message.data.n !== (own.events.get(where) || 0) + 1) wrong.push(`${protocol} ${where}: event ${message.data.n} after ${own.events.get(where)}`);
      own.events.set(where, message.data.n);
      tell(where, message.data.n);
    });
    await own.client.ask('on', '/ALL@/f/*/*', null, { wildcard: 'string' });
    readers.push(own);
  }
  const counts = new Map();
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      await Promise.all(Array.from({ length: 1 + draw(8) }, () => {
        const n = draw(30) * (most / 30);
        const where = `/f/${folders[n % folders.length]}/${pad(n)}`;
        counts.set(where, (counts.get(where) || 0) + 1);
        return fill.ask('set', where, { n: counts.get(where) });
      }));
    }
  })();
  const patterns = ['/f/*', '/f/*/*', `/f/${folders[0]}/*`];
  await Promise.all(readers.map(async (reader) => {
    for (let i = 0; i < 12; i++) await reader.client.ask('get', patterns[i % patterns.length]);
  }));
  isOver = true;
  await writing;
  for (const reader of readers) await reader.client.ask('get', '/f/*');
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.equal(lists, 26);
  assert.ok(counts.size > 0);
  for (const reader of readers) {
    for (const [where, n] of counts) assert.equal(reader.events.get(where), n);
    reader.client.end();
  }
  fill.end();
  await server.stop();
}

test('lists and events tell one history, in memory', (t) => follow(t, [], ['a']));
test('lists and events tell one history, in memory and files together', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-history-'));
  const stores = [{ name: 'hot', provider: 'memory', patterns: ['/f/hot/*'] }, { name: 'rest', isDefault: true, settings: { filename: path.join(folder, 'rest.db') } }];
  await follow(t, ['--set', `services.data.config.datastores=${JSON.stringify(stores)}`], ['hot', 'cold', 'cold']);
  fs.rmSync(folder, { recursive: true });
});

test('a layer that waits for a list, while others write to what it lists, is not held up', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-history-'));
  fs.writeFileSync(path.join(folder, 'lister.lua'), `return { name = "lister", actions = { "set" }, inbound = function(msg)
    if msg.path == "/ask" then msg.data = { found = #happn.get("/f/*") } end
  end }`);
  const config = { services: { protocol: { config: { inboundLayers: ['lister.lua'] } } } };
  fs.writeFileSync(path.join(folder, 'happn.json'), JSON.stringify(config));
  const server = await Server.start(['--config', path.join(folder, 'happn.json')]);
  const fill = await connect(server.port, 'happn_4');
  await Promise.all(Array.from({ length: 6000 }, (_, n) => fill.ask('set', `/f/${n}`, { n: 0 })));
  const heard = [];
  const client = await connect(server.port, 'happn_4', (list, message, meta) => { if (!list) heard.push(meta.action); });
  await client.ask('on', '/ALL@/f/*', null, {});
  const asking = client.ask('set', '/ask', {});
  const list = client.ask('get', '/f/*');
  for (let n = 0; n < 50; n++) await fill.ask('set', `/f/${n}`, { n: 1 });
  assert.equal((await asking).data.found, 6000);
  assert.equal((await list).length, 6000);
  await client.ask('get', '/none');
  assert.equal(heard.length, 50);
  client.end();
  fill.end();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});
