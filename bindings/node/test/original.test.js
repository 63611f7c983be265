'use strict';
// A program that was written for happn-3, run with our package in its place and, where it is installed, with happn-3 13 itself: the same comes out.

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));
const original = path.join(__dirname, '..', '..', '..', 'tests', 'e2e', 'node_modules', 'happn-13');
const fleeting = new Set(['_meta', '_id']); // times, ids

const plain = (value) => (value === undefined ? null : JSON.parse(JSON.stringify(value, (key, item) => (fleeting.has(key) ? undefined : item))));

async function program(library) {
  const seen = [];
  const note = async (what, result) => seen.push([what, plain(await result)]);
  const service = await library.service.create({ port: 0, utils: { logLevel: 'error' } });
  const client = await service.services.session.localClient();
  const called = (verb, ...args) => new Promise((resolve, reject) => client[verb](...args, (error, ...results) => (error ? reject(error) : resolve(results))));
  await note('set', client.set('/a/1', { n: 1 }));
  await note('merge', client.set('/a/1', { m: 2 }, { merge: true }));
  await note('a number', client.set('/number', 5));
  await note('it again', client.get('/number'));
  await note('an array', client.set('/array', [1, 2]));
  await note('it again', client.get('/array'));
  await note('nothing', client.get('/none'));
  await note('a pattern', client.get('/a/*'));
  await note('a search', client.get('/a/*', { criteria: { n: { $gt: 0 } }, fields: { 'data.n': 1 }, options: { sort: { 'data.n': -1 }, limit: 1 } }));
  await note('count', client.count('/a/*'));
  await note('increment', client.increment('/c/1', 'g', 2));
  await note('callbacks', called('set', '/called', { a: 1 }));
  await note('and options', called('get', '/called', null));

  const events = [];
  let tell;
  const enough = new Promise((resolve) => { tell = resolve; });
  const heard = (...event) => (events.push(event) === 7 ? tell() : undefined);
  const handles = [
    await client.on('/e/*', (data, meta) => heard('on', data.n, meta.action, meta.path)),
    await client.once('/e/*', (data) => heard('once', data.n)),
    await client.onAll((data, meta) => heard('all', meta.path)),
  ];
  seen.push(handles.map((handle) => typeof handle));
  await client.set('/e/1', { n: 1 });
  await client.set('/e/1', { n: 2 });
  await note('remove', client.remove('/e/1'));
  await enough;
  seen.push(events.sort());
  const [handle, items] = await called('on', '/a/*', { event_type: 'set', initialCallback: true }, () => {});
  seen.push([typeof handle, plain(items)]);
  await note('off', client.off(handle));
  await note('offPath', client.offPath('/e/*'));
  await note('offAll', client.offAll());
  seen.push(client.status);
  await called('disconnect');
  seen.push(client.status, await client.get('/a/1').then(() => 'answered', () => 'failed'));
  await new Promise((resolve) => service.stop(resolve));
  return seen;
}

test('a program for happn-3', async (t) => {
  const ours = await program(happn);
  assert.deepStrictEqual(ours[0], ['set', { n: 1 }]);
  assert.deepStrictEqual(ours.slice(-3), [1, 2, 'failed']);
  if (fs.existsSync(original)) assert.deepStrictEqual(ours, await program(require(original)));
  else t.diagnostic('happn-3 is not installed here: nothing to compare with');
});

test('what was made between two times', async () => {
  const service = await happn.service.create({ port: 0 });
  const client = await service.client();
  const { _meta: { created } } = await client.set('/t/1', { n: 1 });
  assert.deepStrictEqual((await client.getCreatedBetween('/t/*', created, created)).map((item) => item.n), [1]);
  assert.deepStrictEqual(await client.getCreatedBetween('/t/*', 0, created - 1), []);
  await assert.rejects(client.getCreatedBetween('/t/*', 2, 1), /from not after to/);
  await assert.rejects(client.on('/t'), /without passing in a subscription callback/);
  await assert.rejects(client.off(null), /handle must be a number/);
  await client.disconnect();
  await service.stop();
});
