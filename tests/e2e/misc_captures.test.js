// What the originals' secured servers said about limits of sessions (how long, how idle, how often), permissions of a profile, acknowledgements
// that come too late, permissions that are taken away, changed passwords (tests/captures/*-misc.jsonl), again with our server. Compression,
// which we never agree to, is left out.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { Replay, metaOf } = require('./support/replay');
const { Admin, startSecured } = require('./support/admin');

const profiles = [
  { name: 'short', session: { 'user.username': 'short' }, policy: { ttl: 2500 } },
  { name: 'idle', session: { 'user.username': 'idle' }, policy: { inactivity_threshold: 1200 } },
  { name: 'limited', session: { 'user.username': 'limited' }, policy: { usage_limit: 2 } },
  { name: 'perm', session: { 'user.username': 'perm' }, policy: { permissions: { '/only/*': { actions: ['get'] } } } },
];
// Time must pass for these; that it is more than enough does no harm.
const waits = [[/expired/, 2700], [/inactivity/, 1500]];

const volatile = new Set(['created', 'modified', 'timestamp', 'sessionId', 'publicationId', 'id', 'publicKey', 'referenceId', 'userid']);
const left = new Set(['stack', 'inner', 'severity', 'modifiedBy', 'referenceId']); // of errors; and who modified it, which 8 and 13 forgot
function normalize(value, key) {
  if (volatile.has(key) && value) return `<${key}>`;
  if (key === 'name' && /_server/.test(value)) return '<server>';
  if (Array.isArray(value)) return value.map((item) => normalize(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().filter((name) => !left.has(name)).map((name) => [name, normalize(value[name], name)]));
}
const show = (value) => JSON.stringify(normalize(value));
/** What is compared of an answer: of a login that it is one (secure_captures.test.js has the rest). */
const essence = ({ request }, message) => (request.action === 'login' && message ? metaOf(message).status : show(message));
const endings = (list = []) => show(list.filter((message) => message.eventKey !== 'security-data-changed')).replace('close null', 'close 1000'); // 13 names no reason

// Where we decided otherwise.
const otherwise = [
  { why: 'to acknowledge what is over is no error (13)', test: ({ request, ours }) => request.action === 'ack' && metaOf(ours).status === 'ok' },
  { why: 'who configured no protocol is spoken to in protocol 1, in its shapes', test: ({ request, ours }) => request.action === 'describe' && ours.protocol === 'happn_1' && ours.data.secure },
];

async function start(t) {
  const server = await startSecured({ adminUser: { password: 'happn' }, profiles },
    { name: 'misc_server', services: { publisher: { config: { publicationOptions: { acknowledgeTimeout: 700 } } } } });
  t.after(() => server.child.kill('SIGKILL'));
  const admin = await Admin.login(server.port, 'happn');
  const permissions = { '/a/*': { actions: ['*'] }, '/only/*': { actions: ['*'] }, '/x': { actions: ['on', 'set', 'get'] } };
  await admin.call('upsertGroup', { group: { name: 'ALL', permissions } });
  for (const username of ['short', 'idle', 'limited', 'perm', 'plain']) {
    await admin.call('upsertUser', { user: { username, password: 'p' } });
    await admin.call('linkGroup', { group: 'ALL', username });
  }
  return [server, admin];
}

for (const version of ['6.3.2', '8.2.7', '13.12.1']) {
  test(`what ${version} said about limits, profiles and late acknowledgements`, async (t) => {
    const [server, admin] = await start(t);
    const waited = new Set();
    const replay = new Replay(`${version}-misc`, server, {
      async note(text) {
        if (/remove permission \/x/.test(text)) await admin.call('removePermission', { group: 'ALL', path: '/x', action: 'on' });
        if (/unlink group ALL/.test(text)) await admin.call('unlinkGroup', { group: 'ALL', username: 'plain' });
      },
      async leave(request, theirs, entry) {
        const error = theirs && metaOf(theirs).error;
        const wait = error && waits.find(([pattern]) => pattern.test(`${error.reason} ${error.message}`));
        if (wait && !waited.has(entry.conn)) await sleep(wait[1]);
        if (wait) waited.add(entry.conn);
        return false;
      },
    });
    await replay.run();
    await server.stop();
    const different = [];
    let same = 0;
    for (const each of replay.exchanges) {
      const [theirs, ours] = [essence(each, each.theirs), essence(each, each.ours)];
      if (theirs === ours) same++;
      else if (!otherwise.some((rule) => rule.test(each))) different.push(`${each.raw.slice(0, 200)}\n   ours   ${ours}\n   theirs ${theirs}`);
      const list = (said) => (said.publications.get(each.key) || []).map((item) => show(item)).sort().join('\n');
      if (list(replay.theirs) !== list(replay.ours)) different.push(`publications of ${each.raw.slice(0, 200)}\n   ours   ${list(replay.ours)}\n   theirs ${list(replay.theirs)}`);
      const [report, own] = [replay.theirs.reports.get(each.key), replay.ours.reports.get(each.key)];
      if (show(report) !== show(own)) different.push(`the report of ${each.raw.slice(0, 200)}\n   ours   ${show(own)}\n   theirs ${show(report)}`);
    }
    for (const [conn, theirs] of replay.theirs.systems) {
      const ours = endings(replay.ours.systems.get(conn));
      if (replay.peers.has(conn) && theirs.includes('primus::server::close') && endings(theirs) !== ours) {
        different.push(`the end of connection ${conn}\n   ours   ${ours}\n   theirs ${endings(theirs)}`);
      }
    }
    assert.equal(different.join('\n'), '');
    assert.ok(same >= 30, `${same}`);
  });
}
