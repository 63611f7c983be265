// Several writers and listeners of every generation, who come and go: per path nothing is out of order, double or missing
// while one is connected, and there is no gap after initial values. HISTORY_SEED repeats a run, HISTORY_WRITES makes it longer.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');
const { judge, random } = require('./support/history');

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
const generations = ['1', '6', '8', '13'];

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
