// A connection that breaks, a server that stops and starts again, a session that is sent away: what the originals' clients and servers said
// to each other meanwhile (tests/captures/*-reconnect.jsonl), again with our server, which really stops and starts.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Replay, metaOf } = require('./support/replay');
const { Admin, startSecured } = require('./support/admin');

const volatile = new Set(['created', 'modified', 'timestamp', 'sessionId', 'publicationId', 'id', 'publicKey', 'referenceId']);
const names = new Set(['name', 'origin']);
function normalize(value, key) {
  if (volatile.has(key) && value) return `<${key}>`;
  if (names.has(key) && /_server/.test(value)) return '<server>';
  if (Array.isArray(value)) return value.map((item) => normalize(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().filter((name) => !left.has(name)).map((name) => [name, normalize(value[name], name)]));
}
// The protocol by its name (1.13.3 says its number), the handle that 1.13.3 and 6 forgot to give, and who modified it, which 13 forgot.
const left = new Set(['protocol', 'referenceId', 'modifiedBy']);
/** What is compared of an answer: of a login that it is one (secure_captures.test.js has the rest). */
function essence({ request }, message) {
  if (message === undefined) return 'nothing';
  if (request.action === 'login' || request.action === 'on') return metaOf(message).status;
  return JSON.stringify(normalize(message));
}

for (const version of ['1.13.3', '6.3.2', '8.2.7', '13.12.1']) {
  test(`what ${version} said about a lost connection, a restart and a session sent away`, async (t) => {
    let server;
    const start = async () => {
      server = await startSecured({ adminUser: { password: 'happn' } }, { name: 'reconn_server' });
      const { child } = server;
      t.after(() => child.kill('SIGKILL'));
    };
    await start();
    const events = {
      'TCP connection killed': async (replay) => {
        for (const peer of replay.peers.values()) {
          peer.socket.terminate();
          await peer.gone;
        }
      },
      'server.stop': async (replay) => {
        await server.stop();
        await Promise.all([...replay.peers.values()].map((peer) => peer.gone));
      },
      'server restarted': async (replay) => {
        await start();
        replay.server = server;
      },
      'server side disconnectSession': async (replay) => {
        const [conn, peer] = [...replay.peers].find(([, each]) => !each.isGone);
        const admin = await Admin.login(server.port, 'happn');
        await admin.call('disconnectSession', { id: replay.ours.sessionOf(conn), reason: 'kicked by test' });
        await peer.gone;
      },
    };
    const replay = new Replay(`${version}-reconnect`, server, {
      async note(text) {
        const what = Object.keys(events).find((each) => text.startsWith(each));
        if (what) await events[what](replay);
      },
    });
    await replay.run();
    const different = [];
    // The last stop forbids to come back. Only a host can ask for that (happn_service_close).
    const last = Math.max(...replay.peers.keys());
    for (const each of replay.exchanges) {
      const [theirs, ours] = [essence(each, each.theirs), essence(each, each.ours)];
      if (theirs !== ours) different.push(`${each.raw.slice(0, 200)}\n   ours   ${ours}\n   theirs ${theirs}`);
      const list = (said) => (said.publications.get(each.key) || []).map((item) => JSON.stringify(normalize(item))).sort().join('\n');
      if (list(replay.theirs) !== list(replay.ours)) different.push(`publications of ${each.raw.slice(0, 200)}\n   ours   ${list(replay.ours)}\n   theirs ${list(replay.theirs)}`);
    }
    for (const [conn, theirs] of replay.theirs.systems) {
      if (conn === last || !replay.peers.has(conn)) continue; // opened and closed without a word (13)
      const ours = replay.ours.systems.get(conn) || [];
      const text = (list) => JSON.stringify(normalize(list)).replace('close null', 'close 1000'); // 13 names no reason
      if (text(theirs) !== text(ours)) different.push(`the end of connection ${conn}\n   ours   ${text(ours)}\n   theirs ${text(theirs)}`);
    }
    assert.equal(different.join('\n'), '');
    assert.ok(replay.exchanges.length >= 20, `${replay.exchanges.length}`);
  });
}
