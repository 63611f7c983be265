// What a page does with HappnClient. One function without anything from outside, so that it can be sent into a browser as text.
'use strict';

/** `other` is a second client, of another person so to say. Gives what was seen, as plain values. */
async function walk(HappnClient, options) {
  const client = await HappnClient.create(options);
  const other = await HappnClient.create(options);
  const seen = { sessions: client.session.id !== other.session.id && typeof client.session.id === 'string' };
  const events = [];
  const waiting = [];
  const note = (name) => (data, meta) => {
    events.push(`${name} ${String(meta.action).split('@')[0]} ${meta.path} ${JSON.stringify(data)}`);
    waiting.splice(0).forEach((look) => look());
  };
  const until = (count) => new Promise((resolve) => {
    const look = () => (events.length >= count ? resolve(events.splice(0)) : waiting.push(look));
    look();
  });
  const failure = (promise) => promise.then(() => 'no error', (error) => error.message);

  const set = await client.set('/w/1', { a: 1 });
  seen.set = [set.a, set._meta.path, typeof set._meta.created];
  seen.primitive = (await client.set('/w/2', 'text')).value;
  seen.merge = JSON.stringify(Object.keys(await client.set('/w/1', { b: 2 }, { merge: true })).filter((key) => key !== '_meta'));
  seen.get = (await client.get('/w/1')).b;
  seen.nothing = await client.get('/w/none');
  seen.list = (await client.get('/w/*')).map((item) => item._meta.path).sort().join(' ');
  seen.criteria = (await client.get('/w/*', { criteria: { a: { $eq: 1 } } })).length;
  seen.paths = (await client.getPaths('/w/*')).map((item) => item._meta.path).sort().join(' ');
  seen.count = (await client.count('/w/*')).value;
  seen.callback = await new Promise((resolve) => client.get('/w/1', (error, item) => resolve(error || item.a)));

  const handle = await other.on('/w/*', note('all'));
  await other.on('/w/*', { event_type: 'remove' }, note('removes'));
  const once = await other.on('/w/once', { count: 1 }, note('once'));
  await client.set('/w/3', { n: 3 });
  await client.set('/w/once', { n: 1 });
  await client.set('/w/once', { n: 2 });
  await client.publish('/w/said', { n: 4 });
  await client.remove('/w/3');
  seen.events = (await until(7)).sort();
  await other.off(handle);
  await other.off(once);
  await other.offPath('/w/*');
  await client.set('/w/4', { n: 4 });

  const initial = await new Promise((resolve, reject) => other.on('/w/1', { initialCallback: true }, note('initial'), (error, _, items) => (error ? reject(error) : resolve(items))));
  seen.initial = initial.map((item) => item.b);
  await other.on('/w/4', { initialEmit: true }, note('emitted'));
  seen.emitted = events.splice(0);
  await other.offAll();

  await other.on('/r/*', note('report'));
  const report = await new Promise((resolve, reject) => client.set('/r/1', { x: 1 }, { consistency: 3, onPublished: (error, result) => (error ? reject(error) : resolve(result)) }).catch(reject));
  seen.report = [report.successful, report.acknowledged];
  await until(1);
  seen.increment = (await client.increment('/w/c', 'hits', 5)).value;
  seen.sibling = (await client.setSibling('/w/s', { z: 1 }))._meta.path.startsWith('/w/s/');
  const { created } = (await client.get('/w/1'))._meta;
  seen.between = (await client.getCreatedBetween('/w/*', created, created)).some((item) => item._meta.path === '/w/1');
  seen.badPath = await failure(client.set('/w/*', {}));
  seen.badOption = await failure(client.get('/w/*', { criteria: { a: { $wrong: 1 } } }));
  seen.noReport = await failure(client.set('/w/1', {}, { consistency: 3 }));
  seen.noHandler = await failure(client.on('/w/1', {}));

  const ended = new Promise((resolve) => other.onEvent('connection-ended', resolve));
  await client.disconnect();
  seen.after = await failure(client.get('/w/1'));
  await other.disconnect();
  seen.endedByItself = await Promise.race([ended, Promise.resolve('nothing')]);
  return seen;
}

module.exports = { walk };
