// The statistics over HTTP: what was done, what waits.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');
const { Peer } = require('./support/peer');

test('statistics count requests, sessions, subscriptions and deliveries', async () => {
  const server = await Server.start(['--set', 'services.stats.config.route="/stats"', '--set', 'name="me"']);
  const stats = async () => (await fetch(`http://127.0.0.1:${server.port}/stats`)).json();
  const before = await stats();
  assert.equal(before.session.sessions, 0);
  assert.equal(before.system.name, 'me');
  const [six, thirteen] = [await Client.connect('6', server.port), await Client.connect('13', server.port)];
  const events = new Events();
  await thirteen.on('/s/*', {}, events.handler);
  for (let n = 0; n < 10; n++) await six.set(`/s/${n}`, { n });
  for (let n = 0; n < 10; n++) await events.next();
  await assert.rejects(six.set('/s/*', {}));
  const after = await stats();
  assert.equal(after.session.sessions, 2);
  assert.equal(after.subscription.subscriptions, 1);
  assert.deepEqual(after.protocol.protocolCounts, { happn_1: 0, happn_2: 1, happn_3: 0, happn_4: 1, other: 0 });
  assert.equal(after.queue.publication.total, 10);
  assert.equal(after.queue.outbound.total, 10);
  assert.equal(after.queue.store.total, 10);
  assert.ok(after.queue.inbound.total >= 11 + 6);
  assert.ok(after.queue.inbound.rate > 0);
  assert.equal(after.queue.failures, 1);
  assert.deepEqual(after.data.stores, [{ name: 'default', provider: 'memory', length: 0 }]);
  for (const queue of ['inbound', 'store', 'publication', 'outbound']) assert.equal(after.queue[queue].length, 0);
  assert.ok(after.system.memory.rss > 1e6);
  await six.disconnect();
  await thirteen.disconnect();
  await server.stop();
});

test('what waits in each queue is told, and what was dropped there', async (t) => {
  const server = await Server.start(['--set', 'services.stats.config.route="/stats"', '--set', 'services.transport.config.queueBytes=4000000']);
  t.after(() => server.child.kill('SIGKILL'));
  const stats = async () => (await fetch(`http://127.0.0.1:${server.port}/stats`)).json();
  const queues = async () => (await stats()).queue;
  const writer = await Client.connect('13', server.port);
  const drops = async () => Object.fromEntries(Object.entries(await queues()).filter(([, queue]) => queue.drops !== undefined).map(([name, queue]) => [name, queue.drops]));
  const [mute, slow] = [await Peer.open(server.port, 'happn_4'), await Peer.open(server.port, 'happn_3')];
  assert.deepEqual(await drops(), { inbound: 0, store: 0, publication: 0, outbound: 0 });

  mute.socket.send('{"action":'); // text that is nothing
  await mute.ask({ action: 'on', path: '/SET@/mute' });
  await writer.set('/mute', { n: 1 });
  await assert.rejects(writer.set('/mute', { n: 2 }, { ifRev: 0 }), /somebody was faster/);
  const reported = new Promise((resolve) => { writer.set('/mute', { n: 3 }, { consistency: 3, onPublished: (error, result) => resolve({ error, result }) }); });
  await mute.until((message) => message._meta.consistency === 3);
  assert.equal((await queues()).publication.length, 1, 'it is not acknowledged');
  mute.close();
  const { error, result } = await reported;
  assert.equal(error.message, 'unacknowledged publication');
  assert.deepEqual({ ...result }, { successful: 1, failed: 0, skipped: 0, queued: 1, acknowledged: 0 });
  assert.deepEqual(await drops(), { inbound: 1, store: 1, publication: 1, outbound: 0 });
  assert.equal((await queues()).publication.length, 0);
  assert.equal((await stats()).publisher.unacknowledged, 1);

  await slow.ask({ action: 'on', path: '/SET@/flood' });
  slow.socket._socket.pause();
  const flood = () => writer.set('/flood', { text: 'x'.repeat(100000) });
  do await flood(); while ((await queues()).outbound.length < 1100000);
  slow.socket.send('{"action":"get","eventId":"late","path":"/flood"}');
  while ((await queues()).inbound.length !== 1); // it waits until there is room for its answer
  const { sessions } = (await stats()).session;
  do await flood(); while ((await stats()).session.sessions === sessions); // cut off
  const after = await queues();
  assert.equal(after.outbound.drops, 1);
  for (const name of ['inbound', 'store', 'publication', 'outbound']) assert.equal(after[name].length, 0, name);
  slow.close();
  await writer.disconnect();
  await server.stop();
});

test('without the setting there is no such route', async () => {
  const server = await Server.start();
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/stats`)).status, 404);
  await server.stop();
});
