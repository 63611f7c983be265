// The table of docs/internals/bad-input.md, row by row: what each gets, and that nobody else notices.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const net = require('node:net');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const WebSocket = require('ws');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');
const { Peer } = require('./support/peer');
const { protocols } = require('./support/everybody');

let server;
let witness;

test.before(async () => {
  server = await Server.start(['--set', 'services.transport.config.messageBytes=1000000', '--set',
    'services.transport.config.queueBytes=4000000', '--set', 'services.transport.config.handshakeSeconds=2',
    '--set', 'services.transport.config.silenceMs=1500']);
  witness = await Client.connect('13', server.port);
});

test.after(async () => {
  await witness.disconnect();
  await server.stop();
});

/** Somebody else works as before, and the memory is what it was. */
async function nobodyNotices() {
  await witness.set('/witness', { at: Date.now() });
  assert.ok((await witness.get('/witness')).at);
  const status = fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
  assert.ok(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) < 400000, 'memory is bounded');
}

function raw(path = '/primus') {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
  const messages = [];
  const waiting = [];
  socket.on('message', (data) => {
    const text = data.toString();
    if (waiting.length) waiting.shift()(text);
    else messages.push(text);
  });
  socket.on('error', () => {});
  socket.next = () => (messages.length ? Promise.resolve(messages.shift()) : new Promise((resolve) => waiting.push(resolve)));
  socket.opened = new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.closed = new Promise((resolve) => socket.on('close', resolve));
  return socket;
}

async function ignored(text) {
  const socket = raw();
  await socket.opened;
  socket.send(text);
  socket.send('{"action":"describe","eventId":9}');
  assert.match(await socket.next(), /"eventId":9/);
  socket.terminate();
  await nobodyNotices();
}

test('text that is not JSON is ignored and counted', () => ignored('{"action":'));
test('JSON nested 10 000 deep is ignored', () => ignored('['.repeat(10000) + ']'.repeat(10000)));
test('JSON that is no request is ignored', () => ignored('[1,2,3]'));
test('a binary frame is ignored', () => ignored(Buffer.from([1, 2, 3])));

test('invalid UTF-8 closes that connection with 1007', async () => {
  const socket = raw();
  await socket.opened;
  socket._sender.constructor.frame(Buffer.from([0x22, 0xff, 0x22]), { fin: true, opcode: 1, mask: true, readOnly: false, generateMask: null, maskBuffer: Buffer.alloc(4), rsv1: false })
    .forEach((part) => socket._socket.write(part));
  assert.equal(await socket.closed, 1007);
  await nobodyNotices();
});

test('a 100 MB frame closes that connection with 1009 as soon as it is announced', async () => {
  const socket = raw();
  await socket.opened;
  const header = Buffer.alloc(14);
  header[0] = 0x81;
  header[1] = 0xff;
  header.writeBigUInt64BE(100000000n, 2);
  socket._socket.write(header);
  socket._socket.write(Buffer.alloc(1000));
  assert.equal(await socket.closed, 1009);
  await nobodyNotices();
});

test('an unknown action, a path that is not a string, a request before configure-session: a named error', async () => {
  const socket = raw();
  await socket.opened;
  socket.send('{"action":"dance","eventId":1}');
  assert.match(await socket.next(), /unknown action: dance/);
  socket.send('{"action":"set","eventId":2,"path":7,"data":1}');
  assert.match(await socket.next(), /Bad path \[7\], must be a string/);
  socket.send('{"action":"set","eventId":3,"path":"/early","data":1}');
  assert.match(await socket.next(), /"status":"ok".*"eventId":3|"eventId":3.*"status":"ok"/);
  socket.terminate();
  await nobodyNotices();
});

test('half a handshake is closed after handshakeSeconds', async () => {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /primus HTTP/1.1\r\nUpgr');
  await new Promise((resolve) => socket.on('close', resolve));
  await nobodyNotices();
});

test('an upgrade elsewhere than /primus is refused', async () => {
  const socket = raw('/elsewhere');
  await assert.rejects(socket.opened);
  await nobodyNotices();
});

test('a client that sends one byte a second is dropped as silent', async () => {
  const socket = raw();
  await socket.opened;
  const frame = Buffer.from([0x81, 0xfe, 0x01, 0x00, 0, 0, 0, 0]);
  socket._socket.write(frame);
  const timer = setInterval(() => socket._socket.write('x'), 300);
  await socket.closed;
  clearInterval(timer);
  await nobodyNotices();
});

test('a client that never reads is cut off at its queue limit', async () => {
  const socket = raw();
  await socket.opened;
  socket.send('{"action":"on","eventId":1,"path":"/ALL@/flood/*"}');
  await socket.next();
  socket._socket.pause();
  const gone = server.nextLine(/cut off/);
  const data = { text: 'x'.repeat(100000) };
  let isGone = false;
  gone.then(() => { isGone = true; });
  for (let i = 0; i < 2000 && !isGone; i++) await witness.set('/flood/1', data);
  await gone;
  socket.terminate();
  await nobodyNotices();
});

test('a list that is longer than may wait for a client: an error, and it can ask for less', async () => {
  for (let n = 0; n < 60; n++) await witness.set(`/long/${n}`, { n, text: 'x'.repeat(100000) });
  const socket = raw();
  await socket.opened;
  const ask = async (message) => {
    socket.send(JSON.stringify(message));
    return JSON.parse(await Promise.race([socket.next(), socket.closed.then(() => '{"_meta":"closed"}')]));
  };
  await ask({ action: 'configure-session', eventId: 1, data: { protocol: 'happn_4' } });
  for (const request of [{ action: 'get', path: '/long/*' }, { action: 'get', path: '/long/*', options: { sort: { n: 1 } } },
    { action: 'on', path: '/ALL@/long/*', options: { initialCallback: true } }]) {
    const refused = await ask({ eventId: 2, ...request });
    assert.equal(refused._meta.status, 'error', JSON.stringify(refused).slice(0, 200));
    assert.equal(refused._meta.error.name, 'LimitExceeded');
    assert.match(refused._meta.error.message, /longer than .* ask for less/);
  }
  assert.equal((await ask({ action: 'get', path: '/long/*', eventId: 3, options: { options: { limit: 20, sort: { n: -1 } } } })).length, 21);
  assert.equal((await ask({ action: 'get', path: '/long/*', eventId: 3, options: { fields: { n: 1 } } })).length, 61);
  assert.equal((await ask({ action: 'count', path: '/long/*', eventId: 3 })).data.value, 60);
  assert.equal((await ask({ action: 'remove', path: '/long/*', eventId: 3 })).data.removed, 60);
  socket.terminate();
  await nobodyNotices();
});

test('a number no double holds: an error by name', async () => {
  const socket = raw();
  await socket.opened;
  socket.send('{"action":"set","eventId":1,"path":"/n","data":{"a":1e400}}');
  assert.match(await socket.next(), /a number cannot be held in a double/);
  socket.terminate();
  await nobodyNotices();
});

// What makes no sense is refused by name, and nothing happens.
const senseless = [
  ['set', { targetClients: 5 }, /targetClients must be an array of session ids/],
  ['set', { targetClients: [5] }, /targetClients must be an array of session ids/],
  ['set', { consistency: {} }, /consistency must be/],
  ['set', { ifRev: 'x' }, /ifRev must be/],
  ['set', { ifRev: -1 }, /ifRev must be/],
  ['set', { increment: '1' }, /increment option value must be a number/],
  ['set', { tag: 7 }, /tag must be a text/],
  ['get', { criteria: [] }, /criteria must be an object/],
  ['get', { criteria: 'a' }, /criteria must be an object/],
  ['get', { criteria: { a: { $foo: 1 } } }, /unknown operator \$foo/],
  ['get', { criteria: { a: { $in: 1 } } }, /\$in needs an array/],
  ['get', { criteria: { a: { $regex: '(' } } }, /\$regex: invalid regular expression/],
  ['get', { criteria: { a: { $regex: 'a'.repeat(2000) } } }, /longer than/],
  ['get', { criteria: JSON.parse('{"$and":['.repeat(50) + '{}' + ']}'.repeat(50)) }, /nested more than/],
  ['get', { sort: 'a' }, /sort must be an object/],
  ['get', { sort: { a: { b: 1 } } }, /sort: a must be 1 or -1/],
  ['get', { fields: 5 }, /fields must be an object/],
  ['get', { options: { limit: -1 } }, /limit must be a whole number/],
  ['get', { options: { skip: 'many' } }, /skip must be a whole number/],
  ['get', { options: { limit: 1.5 } }, /limit must be a whole number/],
  ['get', { options: { aggregate: [] } }, /aggregate feature not available/],
  ['count', { criteria: { a: { $size: -1 } } }, /\$size needs a whole number/],
  ['count', { options: { limit: -1 } }, /limit must be a whole number/],
  ['remove', { criteria: [] }, /criteria must be an object/],
  ['remove', { targetClients: {} }, /targetClients must be an array of session ids/],
  ['on', { depth: 1000000000 }, /depth must be a number from 1 to 64/],
  ['on', { depth: -1 }, /depth must be a number from 1 to 64/],
  ['on', { depth: 'deep' }, /depth must be a number from 1 to 64/],
];
const paths = { set: '/n', on: '/ALL@/**' };
for (const [action, options, expected] of senseless) {
  test(`${action} with ${JSON.stringify(options).slice(0, 60)}: an error by name, in every protocol`, async () => {
    for (const protocol of protocols) {
      const peer = await Peer.open(server.port, protocol);
      const reply = await peer.ask({ action, path: paths[action] || '/*', data: 1, options });
      assert.equal(reply._meta.status, 'error');
      assert.equal(reply._meta.error.name, 'SystemError');
      assert.match(reply._meta.error.message, expected);
      assert.equal(peer.heard.length, 1);
      peer.close();
    }
    await nobodyNotices();
  });
}

test('meta: null and other things that are no objects are ignored', async () => {
  for (const protocol of protocols) {
    const peer = await Peer.open(server.port, protocol);
    await peer.ask({ action: 'on', path: '/ALL@/meta' });
    let usual;
    for (const meta of [{}, null, 5, 'x', [1]]) {
      peer.heard = [];
      assert.equal((await peer.ask({ action: 'set', path: '/meta', data: 1, options: { meta } }))._meta.status, 'ok');
      const members = Object.keys(peer.heard[0]._meta).join(); // of the event, which comes first
      assert.equal(members, usual = usual || members);
    }
    peer.close();
  }
  await nobodyNotices();
});

test('a pattern that backtracks for ever ends with an error', async () => {
  const socket = raw();
  await socket.opened;
  socket.send(JSON.stringify({ action: 'set', eventId: 1, path: '/slow', data: { a: 'a'.repeat(5000) + '!' } }));
  await socket.next();
  socket.send(JSON.stringify({ action: 'get', eventId: 2, path: '/slow', options: { criteria: { a: { $regex: '^(a+)+$' } } } }));
  assert.match(await socket.next(), /takes too many steps/);
  socket.terminate();
  await nobodyNotices();
});

test('connections over the limit are refused, and a place that gets free is given again', async () => {
  const small = await Server.start(['--set', 'services.transport.config.maxConnections=2']);
  const open = () => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${small.port}/primus`);
    socket.on('open', () => resolve(socket)).on('error', () => resolve(null));
  });
  const [one, two] = [await open(), await open()];
  assert.ok(one && two);
  assert.equal(await open(), null);
  one.terminate();
  let again = null;
  while (again === null) again = await open();
  for (const socket of [two, again]) socket.terminate();
  await small.stop();
});

test('subscriptions over the limit of a session are refused', async () => {
  const small = await Server.start(['--set', 'services.session.config.maxSubscriptions=1']);
  const client = await Client.connect('6', small.port);
  await client.on('/one', {}, () => {});
  await assert.rejects(client.on('/two', {}, () => {}), /too many subscriptions/);
  await client.disconnect();
  await small.stop();
});

const resident = (child) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]);

test('a million subscriptions by one client: as many as it may have, then errors; others are served meanwhile', async (t) => {
  const own = await Server.start();
  t.after(() => own.child.kill('SIGKILL'));
  const [peer, other] = [await Peer.open(own.port, 'happn_4'), await Client.connect('6', own.port)];
  const million = 1000000;
  const answers = { ok: 0, refused: 0 };
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  peer.socket.removeAllListeners('message');
  peer.socket.on('message', (message) => {
    const text = message.toString();
    if (text.includes('"status":"ok"')) answers.ok++;
    else if (text.includes('this session has too many subscriptions')) answers.refused++;
    if (answers.ok + answers.refused === million) finish();
  });
  for (let n = 0; n < million; n++) {
    peer.socket.send(`{"action":"on","eventId":${n},"path":"/ALL@/m/${n}/*"}`);
    if (n % 1000 === 0) while (peer.socket.bufferedAmount > 1000000) await new Promise(setImmediate);
    if (n % 100000 === 0) assert.equal((await other.set('/other', { n })).n, n);
  }
  await finished;
  assert.deepEqual(answers, { ok: 100000, refused: 900000 });
  assert.equal((await other.set('/m/5/x', {}, { publishResults: true }))._meta.publishResults.queued, 1);
  assert.ok(resident(own.child) < 400000, `${resident(own.child)} kB`);
  peer.close();
  await other.disconnect();
  await own.stop();
});

const merges = Number(process.env.HAPPN_MERGES || 30); // a thousand in make soak
for (const [where, args] of [['memory', () => []], ['a file', () => ['--file', path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'happn-')), 'documents.db')]]]) {
  const start = async (t) => {
    const own = await Server.start(args());
    t.after(() => {
      own.child.kill('SIGKILL');
      if (own.args.includes('--file')) fs.rmSync(path.dirname(own.args.at(-1)), { recursive: true });
    });
    return own;
  };

  test(`${merges} merges into a document of 10 MB in ${where}, all asked for at once: each is done, in order, and memory is bounded`, async (t) => {
    const own = await start(t);
    const [peer, other] = [await Peer.open(own.port, 'happn_3'), await Client.connect('13', own.port)];
    await other.set('/big', { text: 'x'.repeat(10e6) });
    peer.socket.removeAllListeners('message');
    let most = 0;
    let answered = 0;
    const finished = new Promise((resolve, reject) => peer.socket.on('close', () => reject(new Error('cut off'))).on('message', (message) => {
      const { data, _meta } = JSON.parse(message);
      if (_meta === undefined) return; // a pong
      if (answered % 10 === 0) peer.socket.send('"primus::ping::1"'); // who is silent for long is dropped
      try {
        assert.deepEqual([_meta.status, _meta.eventId, data.n, data.text.length], ['ok', answered, answered, 10e6]);
      } catch (error) {
        reject(error);
      }
      most = Math.max(most, resident(own.child));
      if (++answered === merges) resolve();
    }));
    for (let n = 0; n < merges; n++) peer.socket.send(`{"action":"set","eventId":${n},"path":"/big","data":{"n":${n}},"options":{"merge":true}}`);
    await finished;
    assert.equal((await other.get('/big')).n, merges - 1);
    assert.ok(most < 700000, `${most} kB`);
    peer.socket.terminate();
    await other.disconnect();
    await own.stop();
  });

  test(`long documents set, read and listed in ${where}, all at once, by one who reads: he is not cut off`, async (t) => {
    const own = await start(t);
    const client = await Client.connect('13', own.port);
    const all = (what) => Promise.all(Array.from({ length: 20 }, (_, n) => what(n)));
    const data = (n) => ({ n, text: 'x'.repeat(5e6) });
    await all((n) => client.set('/short', { n })); // what is expected of the next answers is little
    for (const stored of [await all((n) => client.set(`/long/${n}/d`, data(n))), await all((n) => client.get(`/long/${n}/d`)), (await all((n) => client.get(`/long/${n}/*`))).flat()]) {
      assert.deepEqual(stored.map((document) => [document.n, document.text.length]), Array.from({ length: 20 }, (_, n) => [n, 5e6]));
    }
    await client.disconnect();
    await own.stop();
  });
}
