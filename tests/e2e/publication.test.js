// Who hears what, in which order, and what the publisher is told: sections 6 and 7 of the reference, by clients of every generation or,
// where the order of messages counts, word by word in every protocol.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');
const { Peer, metaOf } = require('./support/peer');
const { generations, protocols, numberOf, same, strip, openHouse } = require('./support/everybody');

const house = openHouse();
const { connect, speak } = house;
/** What a peer heard, in one word each: answer, event, report. */
const kind = (message) => ({ response: 'answer', data: 'event', ack: 'report' }[metaOf(message).type]);

// The levels 0 to 3: when the answer comes, what it says of `published`, and the report.
const levels = [
  { level: 0, order: ['answer', 'event'] },
  { level: 1, order: ['answer', 'event', 'report'], result: { successful: 1, failed: 0, skipped: 0, queued: 1 } },
  { level: 2, order: ['event', 'answer'] },
  { level: 3, order: ['answer', 'event', 'report'], result: { successful: 1, failed: 0, skipped: 0, queued: 1, acknowledged: 1 } },
];
for (const protocol of protocols) {
  for (const [action, more] of [['set', { data: { n: 1 } }], ['remove', {}]]) {
    test(`${protocol}: the answer of ${action}, its event and its report come in the order of each level`, async () => {
      const peer = await speak(protocol);
      const where = `/order/${action}/${protocol}`;
      await peer.ask({ action: 'on', path: `/${action.toUpperCase()}@${where}` });
      for (const { level, order, result } of levels) {
        peer.heard = [];
        const answered = peer.ask({ action, path: where, ...more, options: { consistency: level } });
        const event = await peer.until((message) => kind(message) === 'event');
        const answer = await answered;
        assert.equal(event._meta.consistency, level);
        assert.equal(metaOf(answer).published, level === 2 || (numberOf(protocol) === 3 && level < 2));
        if (level === 3) peer.socket.send(JSON.stringify({ action: 'ack', data: event._meta.publicationId, eventId: 'ack' }));
        const report = result && await peer.until((message) => kind(message) === 'report');
        same(peer.heard.filter((message) => metaOf(message).eventId !== 'ack').map(kind), order, `level ${level}`);
        if (result) {
          same(report.result, result);
          assert.equal(report.status, 'ok');
          assert.equal(report._meta.eventId, peer.last);
          assert.equal(report.id, event._meta.publicationId);
        }
      }
    });
  }

  test(`${protocol}: what is not published is reported at once: nobody waits for it`, async () => {
    const peer = await speak(protocol);
    for (const [action, more] of [['set', { data: { n: 1 } }], ['remove', {}]]) {
      for (const { level, result } of levels) {
        peer.heard = [];
        await peer.ask({ action, path: `/silent/${protocol}`, ...more, options: { consistency: level, noPublish: true } });
        if (result) {
          const report = await peer.until((message) => kind(message) === 'report');
          same(report.result, { ...result, ...Object.fromEntries(Object.keys(result).map((name) => [name, 0])) });
          assert.deepEqual([report.status, report._meta.eventId], ['ok', peer.last]);
        }
        await peer.ask({ action: 'get', path: '/silent' }); // whatever else was said came before
        same(peer.heard.map(kind), result ? ['answer', 'report', 'answer'] : ['answer', 'answer'], `${action}, level ${level}`);
      }
    }
  });

  test(`${protocol}: overlapping subscriptions: a message for each channel, counted by subscriptions`, async () => {
    const peer = await speak(protocol);
    const head = `/over/${protocol}`;
    const channels = [`/ALL@${head}/1`, `/ALL@${head}/1`, `/ALL@${head}/*`, `/SET@${head}/1`, '/ALL@*'];
    for (const channel of channels) await peer.ask({ action: 'on', path: channel });
    await peer.ask({ action: 'on', path: `/REMOVE@${head}/1` });
    peer.heard = [];
    const answer = await peer.ask({ action: 'set', path: `${head}/1`, data: { n: 1 }, options: { publishResults: true } });
    same(peer.heard.filter((message) => kind(message) === 'event').map((message) => message._meta.channel).sort(), [...new Set(channels)].sort());
    same(answer._meta.publishResults, { successful: 4, failed: 0, skipped: 0, queued: 5 });
    await peer.ask({ action: 'off', path: '*', options: { referenceId: 0 } });
  });
}

for (const generation of generations) {
  test(`${generation}: several handlers of one client: each hears once, off ends one, the others go on`, async () => {
    const [client, other] = [await connect(generation), await connect(generation)];
    const head = `/own${generation}`;
    const [one, two, star, sets, every] = [new Events(), new Events(), new Events(), new Events(), new Events()];
    const first = await client.on(`${head}/1`, {}, one.handler);
    await client.on(`${head}/1`, {}, two.handler);
    await client.on(`${head}/*`, {}, star.handler);
    const set = await client.on(`${head}/1`, { event_type: 'set' }, sets.handler);
    await new Promise((resolve, reject) => client.inner.onAll(every.handler, (error) => (error ? reject(error) : resolve())));
    const heard = async (n, listeners) => {
      for (const events of listeners) {
        let event;
        do event = await events.next(); while (!event.meta.path.startsWith(head)); // `*` hears of others, too
        assert.equal(event.data.n, n);
      }
      for (const events of [one, two, star, sets]) assert.equal(events.items.length, 0, `${n}`);
    };
    await other.set(`${head}/1`, { n: 1 });
    await heard(1, [one, two, star, sets, every]);
    await client.off(first);
    await other.set(`${head}/1`, { n: 2 });
    await heard(2, [two, star, sets, every]);
    await client.off(set);
    await other.set(`${head}/1`, { n: 3 });
    await heard(3, [two, star, every]);
    await client.offPath(`${head}/1`); // exactly this one: the wildcard stays
    await other.set(`${head}/1`, { n: 4 });
    await heard(4, [star, every]);
    await client.offPath(`${head}/*`);
    await other.set(`${head}/1`, { n: 5 });
    await heard(5, [every]);
    await client.offPath('*');
    await other.set(`${head}/1`, { n: 6 });
    await client.on(`${head}/last`, {}, one.handler);
    await other.set(`${head}/last`, { n: 7 });
    await heard(7, [one]);
    assert.equal(every.items.filter((event) => event.meta.path.startsWith(head)).length, 0);
    await client.off(987654); // nobody's
  });

  test(`${generation}: merge subscribers get what was posted, others the whole document (13)`, async () => {
    const client = await connect(generation);
    const head = `/posted${generation}`;
    const [merged, whole] = [new Events(), new Events()];
    await client.on(`${head}/*`, { merge: true, event_type: 'set' }, merged.handler);
    await client.on(`${head}/*`, { event_type: 'all' }, whole.handler);
    await client.set(`${head}/1`, { a: 1 });
    await client.set(`${head}/1`, { b: { z: 3 } }, { merge: true });
    const posted = [await merged.next(), await merged.next()];
    same(posted.map((event) => strip(event.data)), [{ a: 1 }, { b: { z: 3 } }]);
    assert.equal(posted[1].meta.action, `/SET@${head}/1`);
    same([strip((await whole.next()).data), strip((await whole.next()).data)], [{ a: 1 }, { a: 1, b: { z: 3 } }]);
  });

  test(`${generation}: event types in any case; none, null and * are all`, async () => {
    const client = await connect(generation);
    const path = `/type${generation}`;
    const heard = [];
    for (const [name, event_type] of [['set', 'SET'], ['remove', 'Remove'], ['all', 'all'], ['star', '*'], ['null', null], ['none', undefined]]) {
      const events = new Events();
      await client.on(path, event_type === undefined ? {} : { event_type }, events.handler);
      heard.push([name, events]);
    }
    await client.set(path, { n: 1 });
    await client.remove(path);
    for (const [name, events] of heard) {
      if (name !== 'remove') assert.equal((await events.next()).data.n, 1, name);
      if (name !== 'set') assert.equal((await events.next()).data.removed, 1, name);
      assert.equal(events.items.length, 0, name);
    }
  });

  test(`${generation}: initial values: oldest change first, a list also for one path, and an empty one`, async () => {
    const client = await connect(generation);
    const head = `/there${generation}`;
    const initial = (path, options, handler = () => assert.fail('no event')) => new Promise((resolve, reject) => {
      client.inner.on(path, options, handler, (error, handle, items) => (error ? reject(error) : resolve(items)));
    });
    same(await initial(`${head}/*`, { initialCallback: true }), []);
    await client.offAll();
    let modified = 0;
    const later = async (path, data) => { // each in a millisecond of its own
      let stored;
      do stored = await client.set(path, data); while (stored._meta.modified === modified);
      ({ modified } = stored._meta);
    };
    await later(`${head}/b@x`, { n: 1 });
    await later(`${head}/c`, { n: 0 });
    await later(`${head}/a`, { n: 2 });
    await later(`${head}/c`, { n: 3 });
    const items = await initial(`${head}/*`, { initialCallback: true });
    same(items.map((item) => item.n), [1, 2, 3]);
    same(items.map((item) => item._meta.path), [`${head}/b@x`, `${head}/a`, `${head}/c`]);
    same((await initial(`${head}/b@x`, { initialCallback: true })).map((item) => item.n), [1]); // (18)
    await client.offAll();
    const [both, counted] = [new Events(), new Events()];
    const told = await initial(`${head}/*`, { initialCallback: true, initialEmit: true }, both.handler);
    same(told.map((item) => item.n), [1, 2, 3]);
    for (const n of [1, 2, 3]) assert.equal((await both.next()).data.n, n);
    if (generation !== '1') { // whose client counts them, and gives them to every handler of the channel
      await client.on(`${head}/*`, { initialEmit: true, count: 1 }, counted.handler); // what is emitted at the start uses up nothing
    }
    await client.set(`${head}/d`, { n: 4 });
    for (const n of generation === '1' ? [] : [1, 2, 3, 4]) assert.equal((await counted.next()).data.n, n);
    assert.equal((await both.next()).data.n, 4);
  });

  test(`${generation}: a remove is one event with the pattern, also when nothing was there; its options are those of set`, async () => {
    const [client, other] = [await connect(generation), await connect(generation)];
    const head = `/gone${generation}`;
    const [events, others] = [new Events(), new Events()];
    await client.on(`${head}/*`, { event_type: 'remove' }, events.handler);
    await other.on(`${head}/*`, { event_type: 'remove' }, others.handler);
    const heard = async (listener, removed, path) => {
      const { data, meta } = await listener.next();
      assert.equal(data.removed, removed);
      assert.deepEqual([meta.path, meta.action, meta.channel], [path, `/REMOVE@${path}`, `/REMOVE@${head}/*`]);
      return meta;
    };
    for (let n = 0; n < 3; n++) await client.set(`${head}/a${n}`, { n });
    const answer = await client.remove(`${head}/*`);
    assert.equal(answer.removed, 3);
    assert.deepEqual([answer._meta.path, answer._meta.published, answer._meta.action], [`${head}/*`, true, 'remove']);
    assert.equal(typeof answer._meta.timestamp, 'number');
    await heard(events, 3, `${head}/*`);
    assert.equal((await client.remove(`${head}/none`)).removed, 0);
    await heard(events, 0, `${head}/none`);
    const silent = await client.remove(`${head}/none`, { noPublish: true });
    assert.equal(silent._meta.published, false);
    await client.remove(`${head}/none`, { targetClients: [other.inner.session.id] });
    await client.remove(`${head}/own`, { meta: { own: 1 }, consistency: 0 });
    assert.equal((await heard(events, 0, `${head}/own`)).own, 1);
    await heard(others, 3, `${head}/*`);
    for (const path of [`${head}/none`, `${head}/none`, `${head}/own`]) await heard(others, 0, path);
    const report = await new Promise((resolve, reject) => {
      client.remove(`${head}/x`, { consistency: 3, onPublished: (error, result) => (error ? reject(error) : resolve(result)) }).catch(reject);
    });
    same(report, { successful: 2, failed: 0, skipped: 0, queued: 2, acknowledged: 2 });
  });

  test(`${generation}: who went away is no recipient, and what he missed is not told again`, async () => {
    const [client, gone] = [await connect(generation), await Client.connect(generation, house.server.port)];
    const path = `/away${generation}`;
    await gone.on(path, {}, () => {});
    await gone.disconnect();
    let results;
    do results = (await client.set(path, { n: 1 }, { publishResults: true }))._meta.publishResults; while (results.queued !== 0);
    same(results, { successful: 0, failed: 0, skipped: 0, queued: 0 });
    const again = await connect(generation);
    const events = new Events();
    await again.on(path, {}, events.handler);
    await client.set(path, { n: 2 });
    assert.equal((await events.next()).data.n, 2);
  });
}

for (const generation of ['8', '13']) { // whose wildcards are segments
  test(`${generation}: how deep /** reaches: five levels, what the client is set to, or what is asked for; initial values, too`, async () => {
    const head = `/deep${generation}`;
    const [five, two] = [await connect(generation), await connect(generation, { defaultVariableDepth: 2 })];
    const below = (levels) => `${head}/${'abcdefg'.slice(0, levels).split('').join('/')}`;
    for (let levels = 1; levels < 8; levels++) await five.set(below(levels), { levels });
    const asked = [[five, {}, 5], [two, {}, 2], [five, { depth: 1 }, 1], [two, { depth: 3 }, 3], [five, { depth: 64 }, 7]];
    const heard = [];
    for (const [client, options, depth] of asked) {
      const events = new Events();
      const items = await new Promise((resolve, reject) => {
        client.inner.on(`${head}/**`, { ...options, initialCallback: true }, events.handler, (error, handle, initial) => (error ? reject(error) : resolve(initial)));
      });
      const wanted = Array.from({ length: depth }, (_, i) => i + 1);
      same(items.map((item) => item.levels).sort(), wanted, `initial values, depth ${depth}`);
      heard.push([events, wanted]);
    }
    await five.set(head, { levels: 0 }); // is not below itself
    for (let levels = 1; levels < 8; levels++) await five.set(below(levels), { levels });
    for (const [events, wanted] of heard) {
      for (const levels of wanted) assert.equal((await events.next()).data.levels, levels, `${wanted}`);
    }
    await Promise.all([five.get(head), two.get(head)]); // whatever was sent before is here
    for (const [events, wanted] of heard) assert.equal(events.items.length, 0, `${wanted}`);
  });
}

// An outbound layer refuses what goes to one of two subscribers.
const refusing = `return { outbound = function(msg)
  if msg.direction == "publication" and msg.recipient.id == msg.data.refused then happn.fail("Refused", "not for this one") end
end }`;
test('a delivery that fails is counted and reported, and the write is done, at every level in every protocol', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-'));
  fs.writeFileSync(path.join(folder, 'layer.lua'), refusing);
  const own = await Server.start(['--set', `services.script.config.root="${folder}"`, '--set', 'services.protocol.config.outboundLayers=["layer.lua"]',
    '--set', 'services.stats.config.route="/stats"']);
  t.after(() => {
    own.child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true });
  });
  const failed = async () => (await (await fetch(`http://127.0.0.1:${own.port}/stats`)).json()).publisher.failed;
  for (const protocol of protocols) {
    const [peer, unlucky] = [await Peer.open(own.port, protocol), await Peer.open(own.port, protocol)];
    const login = async (each) => (await each.ask({ action: 'login', data: { info: {} } })).data.id;
    await login(peer);
    const refused = await login(unlucky);
    const where = `/refused/${protocol}`;
    for (const each of [peer, unlucky]) await each.ask({ action: 'on', path: `/SET@${where}` });
    unlucky.heard = [];
    for (const { level, result } of levels) {
      peer.heard = [];
      const before = await failed();
      const answered = peer.ask({ action: 'set', path: where, data: { refused, level }, options: { consistency: level, publishResults: true } });
      const event = await peer.until((message) => kind(message) === 'event');
      if (level === 3) peer.socket.send(JSON.stringify({ action: 'ack', data: event._meta.publicationId, eventId: 'ack' }));
      const answer = await answered;
      assert.equal(answer._meta.status, 'ok', `level ${level}`);
      const expected = { successful: 1, failed: 1, skipped: 0, queued: 2 };
      if (level === 2) same(answer._meta.publishResults, expected);
      if (result) {
        const report = await peer.until((message) => kind(message) === 'report');
        const { lastError, ...counts } = report.result;
        same(counts, level === 3 ? { ...expected, acknowledged: 1 } : expected);
        assert.deepEqual([report.status, report.error, lastError.message], ['error', 'not for this one', 'not for this one']);
      }
      assert.equal((await peer.ask({ action: 'get', path: where })).data.level, level);
      assert.equal(await failed(), before + 1);
    }
    assert.equal(unlucky.heard.length, 0);
    peer.close();
    unlucky.close();
  }
  await own.stop();
});
