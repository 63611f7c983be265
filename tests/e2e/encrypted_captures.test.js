// Whole encrypted sessions of real clients with real servers (tests/vectors/encrypted-session-*.json), replayed. Our server has their server's key, so the
// login is sent as it was recorded, byte for byte; what follows is encrypted anew with our session's secret, by the client's own library.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const WebSocket = require('ws');
const Util = require('happn-util-crypto');
const { startSecured } = require('./support/admin');

const util = new Util();
const metaOf = (message) => (Array.isArray(message) ? message[message.length - 1] : message._meta) || {};
const isReply = (message) => metaOf(message).eventId !== undefined && metaOf(message).type !== 'data' && metaOf(message).type !== 'ack';

class Peer {
  constructor(port, privateKey) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
    this.open = new Promise((resolve, reject) => this.socket.on('open', resolve).on('error', reject));
    this.waiting = new Map();
    this.events = [];
    this.socket.on('message', (bytes) => {
      const frame = JSON.parse(bytes.toString());
      const message = this.read(frame, privateKey);
      if (!isReply(message)) this.events.push({ frame, message });
      else this.waiting.get(metaOf(message).eventId)({ frame, message });
    });
  }
  read(frame, privateKey) {
    if (frame.encrypted === undefined) return frame;
    if (typeof frame.encrypted === 'string') return JSON.parse(util.symmetricDecrypt(frame.encrypted, this.secret));
    return JSON.parse(util.asymmetricDecrypt(frame.publicKey, privateKey, Buffer.from(frame.encrypted.data)));
  }
  ask(frame, eventId) {
    return new Promise((resolve) => {
      this.waiting.set(eventId, resolve);
      this.socket.send(JSON.stringify(frame));
    });
  }
}

// Of each run; or not promised: the original tells the insides of its tree, and of its connection.
const volatile = new Set(['created', 'modified', 'timestamp', 'sessionId', 'id', 'referenceId', 'token', 'permissionSetKey', 'secret', 'publicationId']);
const left = new Set(['_id', 'removed', 'version', 'headers', 'address', 'url', 'encrypted', 'msgCount', 'cookieName', 'groups', 'permissions', 'type', 'policy', 'userid', 'origin', 'name', 'modifiedBy']);
function normalize(value, key) {
  if (volatile.has(key)) return `<${key}>`;
  if (Array.isArray(value)) return value.map((item) => normalize(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().filter((name) => !left.has(name)).map((name) => [name, normalize(value[name], name)]));
}
// The type of a login's answer is "login" inside as well as outside in 6, "response" inside in 8: no client looks there.
const essence = (message) => (Array.isArray(message) ? message.map((item) => normalize(item)) : { data: normalize(message.data), status: metaOf(message).status });

for (const [version, requests] of [['6.3.2', 14], ['8.2.7', 13]]) {
  test(`the encrypted session of ${version}`, async (t) => {
    const vector = JSON.parse(fs.readFileSync(`${__dirname}/../vectors/encrypted-session-${version}.json`, 'utf8'));
    const frames = vector.frames.map((each) => ({ ...each, frame: typeof each.frame === 'string' ? JSON.parse(each.frame) : each.frame }));
    const server = await startSecured({ adminUser: { password: 'happn' }, keyPair: vector.server_keypair }, { encryptPayloads: true });
    t.after(() => server.child.kill('SIGKILL')); // when it failed
    const recorded = new Map();
    for (const each of frames.filter(({ dir }) => dir === 's2c')) {
      const message = each.plaintext ? JSON.parse(each.plaintext) : each.frame;
      if (isReply(message)) recorded.set(metaOf(message).eventId, message);
    }
    const peer = new Peer(server.port, vector.client_keypair.privateKey);
    await peer.open;
    let sessionId, compared = 0;
    for (const { how, frame, plaintext } of frames.filter(({ dir }) => dir === 'c2s')) {
      const isSealed = /AES/.test(how);
      const request = isSealed ? { ...JSON.parse(plaintext), sessionId } : frame;
      if (!isSealed && request.sessionId) request.sessionId = sessionId;
      const sent = isSealed ? { ...frame, sessionId, encrypted: util.symmetricEncrypt(JSON.stringify(request), peer.secret) } : request;
      const theirs = recorded.get(request.eventId);
      const ours = await peer.ask(sent, request.eventId);
      assert.deepEqual(essence(ours.message), essence(theirs), `${request.action} ${request.path || ''}`);
      if (request.action === 'describe') assert.equal(ours.message.data.publicKey, vector.server_keypair.publicKey);
      if (request.action === 'login') {
        assert.deepEqual(Object.keys(ours.frame), ['encrypted', '_meta', 'publicKey']);
        assert.equal(ours.frame._meta.type, 'login');
        ({ id: sessionId, secret: peer.secret } = ours.message.data);
      } else if (sessionId) {
        assert.deepEqual(Object.keys(ours.frame), ['encrypted'], 'the shape of 8.2.7, whoever asks');
      }
      compared++;
    }
    assert.equal(compared, requests);
    const publications = peer.events.filter(({ message }) => message._meta.type === 'data');
    assert.deepEqual(publications.map(({ message }) => normalize(message.data)), [{ a: 1 }, { a: 3 }, {}]);
    assert.ok(publications.every(({ frame }) => frame.encrypted === undefined), 'publications are sent in clear');
    peer.socket.terminate();
    await server.stop();
  });
}
