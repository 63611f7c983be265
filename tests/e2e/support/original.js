// A process with a real happn-3 server of a generation, which writes its own data file: original.js GENERATION FILE.
// Prints what it holds at the end, as { path: { data, created, modified, tag } }.
'use strict';
const [generation, file] = process.argv.slice(2);
const happn = require(`happn-${generation}`);
const settings = { filename: file, snapshotRollOverThreshold: 14 };
const data = generation === '13' ? { datastores: [{ name: 'p', isDefault: true, provider: 'happn-db-provider-loki', settings }] } : { filename: file };

const call = (fn) => new Promise((resolve, reject) => fn((error, result) => (error ? reject(error) : resolve(result))));

async function start(port) {
  const config = { port, services: { data: { config: data } }, utils: { logLevel: 'off' } };
  return happn.service.create(config);
}

async function main() {
  let service = null;
  while (service === null) { // these servers cannot choose a free port themselves
    service = await start(20000 + Math.floor(Math.random() * 30000)).catch((error) => (/in use|EADDRINUSE|timeout/i.test(error.message) ? null : Promise.reject(error)));
  }
  const client = await call((done) => service.services.session.localClient(done));
  const set = (path, value, options = {}) => call((done) => client.set(path, value, options, done));
  for (let n = 0; n < 5; n++) await set(`/many/${n}`, { n, text: `é "${n}" \\ \u2028` });
  await set('/list', [1, { a: 2 }]);
  await set('/nothing', { z: null });
  await set('/many/1', { more: { deep: [1] } }, { merge: true });
  await set('/many/2', { n: 22 });
  if (generation !== '13') await set('/many/3', null, { tag: 'T1' });
  await set('/gone/1', { x: 1 });
  await set('/gone/2', { x: 2 });
  await set('/gone/stays', { x: 3 });
  await call((done) => client.remove('/gone/1', {}, done));
  await call((done) => client.remove('/gone/2*', {}, done));
  await set('/last', 'text');
  await set('/last', { added: true }, { merge: true });
  const held = {};
  for (const item of await call((done) => client.get('*', {}, done))) {
    const { _meta, ...rest } = item;
    held[_meta.path] = { data: rest, created: _meta.created, modified: _meta.modified, tag: _meta.tag };
  }
  process.stdout.write(JSON.stringify(held), () => {
    service.stop(() => process.exit(0));
  });
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
