// The statistics over HTTP: what was done, what waits.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./support/server');
const { Client, Events } = require('./support/clients');

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

test('without the setting there is no such route', async () => {
  const server = await Server.start();
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/stats`)).status, 404);
  await server.stop();
});
