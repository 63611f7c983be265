// What the originals' clients and servers said to each other, word for word: the same requests go to our server, and
// what comes back must be equivalent: the answers, the publications that each request causes, to whom they go, the reports of levels 1 and 3,
// and what hand-made frames of every protocol get (rawproto). Every difference is a decision, with its reason below.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./support/server');
const { Replay, metaOf } = require('./support/replay');

// Where we decided otherwise (docs/internals/decisions.md): what the original answers there is not what ours must answer.
function isDecidedOtherwise(request, theirs, ours) {
  const error = theirs._meta && theirs._meta.error;
  const mine = ours._meta && ours._meta.error;
  if (error && mine && error.name === mine.name && error.code === mine.code && /^(do|process)(Store|Get) failed$|is not a function/.test(error.message)) {
    return true; // the same kind of error, but we say what is wrong
  }
  const options = request.options || {};
  if (options.tag) return true; // tags: 13 has none, 6 and 8 also touch the original and tag what is not there
  const inner = options.options || {};
  const nameless = (item) => item._meta && !item._meta.path;
  if ((options.fields || inner.fields) && (nameless(theirs) || (Array.isArray(theirs) && theirs.some(nameless)))) return true; // a projection keeps the path
  if (inner.skip) return true; // 6 and 8 ignore it
  if (error && request.action === 'get' && JSON.stringify(options.criteria || {}).includes('$regex')) return true; // it works now
  if (request.path === '/sub/*' || request.path === '/_TAGS/sub/one/*') return true; // lists of what was decided otherwise above
  if (error && /doStore failed|processStore failed|upsert failed|^reserved|\$|\./.test(error.message) && /\$x|a\.b/.test(JSON.stringify(request.data))) {
    return true; // names with $ or a dot are stored
  }
  if (request.path && request.path.startsWith('/bad/$%^')) return true; // 6 allowed more characters; one rule for all, that of 8 and 13
  return request.path === '/merge/one' && request.data !== undefined; // null overwrites in a merge
}

// What only 1.13.3 did: its answers to `on` and `off` carry no handle, initial values no path; it stored a document under a
// name with a wildcard, answered a set of names with $ or a dot without its path, and knew no _meta.path in criteria.
function isOldOtherwise(request, theirs, ours) {
  const succeeded = metaOf(theirs).status === 'ok' && metaOf(ours).status === 'ok';
  if (request.action === 'on' || request.action === 'off') return succeeded;
  if (request.action === 'set') return (request.path || '').includes('*') || (succeeded && /\$x|a\.b/.test(JSON.stringify(request.data)));
  return succeeded && JSON.stringify(request.options || {}).includes('_meta.path');
}

// What differs from run to run by nature, or from server to server by its name.
const volatile = new Set(['created', 'modified', 'timestamp', 'publicKey', 'sessionId', 'publicationId', 'happn', 'id', 'referenceId', 'info']);

// Not part of what was promised: the key of payload encryption, the insides of the original's subscription tree in the
// answer to `off`, and the handle of a subscription with initial values, which 6 forgot to send.
// 13 also tells a client its own request's headers, address and message count at login.
const left = new Set(['stack', 'severity', 'inner', 'reason', 'publicKey', 'removed', 'referenceId', 'address', 'encrypted', 'headers', 'msgCount', 'url', 'version']);

function normalize(value, key) {
  if ((key === 'path' || key === '_id') && typeof value === 'string') return value.replace(/([\w-]{22}-\d+|\d{13}_[0-9a-f]{32})$/, '<new name>'); // of siblings and tags
  if (key === 'name' && typeof value === 'string' && /^((?:insecure|cross|raw)_server|[a-z]+_\w{10})$/.test(value)) return '<server>';
  if (key === 'protocol' && /^(happn_)?1\.3\.0$/.test(value)) return 'happn_1'; // what 8 and 13 answer to such clients
  if (volatile.has(key) && value !== null && value !== undefined) return `<${key}>`;
  if (Array.isArray(value)) return value.map((item) => normalize(item));
  if (value && typeof value === 'object') {
    const out = {};
    for (const name of Object.keys(value).sort().filter((member) => !left.has(member))) out[name] = normalize(value[name], name);
    return out;
  }
  return value;
}

// Hand-made frames, and sessions that configure a protocol by an odd name or none: the server speaks its nearest protocol, in that
// protocol's shapes, whatever the server of the capture was (docs/internals/decisions.md).
const shapes = new Set(['__outbound', '_id', 'encryptPayloads', 'protocol', 'nonce']);
function loosen(value) {
  if (Array.isArray(value)) return value.map(loosen);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !shapes.has(name)).map(([name, each]) => [name, loosen(each)]));
}
const errorOf = (message) => metaOf(message).error;
const onlyNew = new Set(['count', 'revoke-token', 'change-password', 'disconnect-child-sessions']);
const rawDecisions = [
  { why: 'what is wrong is said, in place of a TypeError or `... failed`', test: (request, theirs, ours) => errorOf(ours) && errorOf(theirs) && /Cannot read prop|failed$/.test(errorOf(theirs).message) },
  { why: 'an action that does not exist is an error, as is a request without one', test: (request, theirs, ours) => errorOf(ours) && /^unknown action/.test(errorOf(ours).message) },
  { why: 'to acknowledge what is over is no error (13)', test: (request, theirs, ours) => request.action === 'ack' && !errorOf(ours) },
  { why: 'an event that cannot come is refused (12)', test: (request, theirs, ours) => request.action === 'on' && errorOf(ours) && /the event must be SET, REMOVE or ALL$/.test(errorOf(ours).message) },
  { why: 'one rule for the characters of a path', test: (request) => /^(\/ALL@)?\/bad\/\$/.test(request.path || '') },
  { why: 'a session whose protocol 8 knew by half gets its publications', test: (request, theirs, ours) => errorOf(theirs) && /transformOut/.test(errorOf(theirs).message) && !errorOf(ours) },
  { why: 'a level that does not exist is the usual one', test: (request) => request.options && request.options.consistency > 3 },
  { why: 'what only 13 knew', test: (request) => onlyNew.has(request.action), old: true },
  { why: 'a login that says nothing is one, where nobody is asked who he is', test: (request, theirs, ours) => request.action === 'login' && request.data === undefined && !errorOf(ours) },
  { why: '1.13.3 counted a text as the level 2', test: (request) => request.options && request.options.consistency === '1', old: true },
];

/** The same without some members, at any depth. */
function without(value, names) {
  if (Array.isArray(value)) return value.map((item) => without(item, names));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)).map(([name, each]) => [name, without(each, names)]));
}
// Publications that differ by decision, and in what only.
const publicationDecisions = [
  { why: 'the event of a counter says when, like all others', test: (request) => request.options && request.options.increment !== undefined, but: ['created', 'modified'] },
  { why: 'the event of a sibling has its own path (6), not the asked one (8)', test: (request) => request.options && request.options.set_type === 'sibling', but: ['path'] },
  { why: 'merge subscribers get what was posted (13), under its real action', test: (request) => request.path === '/merge/one', but: ['data', 'action'] },
  { why: 'an initial value is emitted to protocol 1 as 1.13.3 did', test: (request) => request.action === 'on', but: ['_meta', 'path'] },
  { why: 'to protocols above 1 the initial values come in the answer only', test: (request, theirs, ours, protocol) => request.action === 'on' && ours.length === 0 && protocol !== 'happn_1' },
  { why: 'the event of a remove says when (6)', test: (request) => request.action === 'remove', but: ['timestamp'] },
  { why: 'off by the handle of * ends that one, in 8 it ended all', test: (request, theirs, ours, protocol, name) => name === '8.2.7-insecure' && request.action === 'remove' && theirs.length === 0 },
  { why: 'names of events are heard in any case (6)', test: (request, theirs, ours, protocol, name) => name.startsWith('1.13.3-raw') && theirs.length < ours.length },
];

// The least number of exchanges, and of publications, that must be equivalent.
const captures = {
  '1.13.3-insecure': [66, 53], '6.3.2-insecure': [84, 52], '8.2.7-insecure': [93, 50], '13.12.1-insecure': [95, 58],
  '6.3.2-listeners': [18, 2], '8.2.7-listeners': [15, 3], '6.3.2-server_7.1.2-client-insecure': [14, 2],
  '1.13.3-rawproto-insecure': [105, 10], '6.3.2-rawproto-insecure': [220, 36], '8.2.7-rawproto-insecure': [205, 10], '13.12.1-rawproto-insecure': [240, 36],
};
for (const [name, [exchanges, publications]] of Object.entries(captures)) {
  test(`the exchanges of ${name}`, async (t) => {
    const server = await Server.start(['--set', 'name="insecure_server"']);
    t.after(() => server.child.kill('SIGKILL'));
    const isRaw = name.includes('rawproto');
    const isOld = name.startsWith('1.13.3');
    const show = (value) => JSON.stringify(normalize(isRaw ? loosen(value) : value));
    const touched = new Set(); // paths whose content is something else now
    const decided = new Map(); // why -> how often
    const otherwise = new Set(); // exchanges whose answers were decided otherwise
    const different = [];
    let [same, left, published] = [0, 0, 0];
    const decide = (why) => decided.set(why, (decided.get(why) || 0) + 1);
    const replay = new Replay(name, server, {
      leave(request) {
        if (!touched.has(request.path)) return false;
        left++;
        return true;
      },
      exchanged({ request, raw, theirs, ours, key }) {
        if (ours !== undefined && show(ours) === show(theirs)) {
          same++;
          return;
        }
        const rule = ours !== undefined && isRaw && rawDecisions.find((each) => (!each.old || !name.startsWith('13')) && each.test(request, theirs, ours));
        const isDecided = ours !== undefined && (isDecidedOtherwise(request, theirs, ours) || (isOld && isOldOtherwise(request, theirs, ours)));
        if (!rule && !isDecided) {
          different.push(`${raw.slice(0, 300)}\n   ours   ${show(ours)}\n   theirs ${show(theirs)}`);
          return;
        }
        decide(rule ? rule.why : 'see isDecidedOtherwise');
        otherwise.add(key);
        const isStored = rule && theirs.data !== null && !errorOf(ours); // by both, whatever they said
        if (request.action === 'set' && request.path && !isStored) touched.add(request.path); // what is there is something else now
      },
    });
    await replay.run();
    await server.stop();
    const protocols = new Map(); // connection -> what we speak there
    for (const { request, key, ours } of replay.exchanges) {
      if (ours.protocol) protocols.set(key.split('/')[0], ours.protocol);
      if (otherwise.has(key)) continue;
      const [theirs, mine] = [replay.theirs, replay.ours].map((said) => said.publications.get(key) || []);
      const list = (publications, but = []) => publications.map(([to, message]) => JSON.stringify([to, but.includes('_meta') ? { data: loosen(without(message.data, but)), _meta: without(JSON.parse(show(message._meta)), but) } : without(JSON.parse(show(message)), but)])).sort().join('\n');
      if (list(theirs) === list(mine)) published += theirs.length;
      else {
        const rule = publicationDecisions.find((each) => each.test(request, theirs, mine, protocols.get(key.split('/')[0]), name) && (!each.but || list(theirs, each.but) === list(mine, each.but)));
        if (rule) decide(rule.why);
        else different.push(`the publications of ${JSON.stringify(request)}\n   ours   ${list(mine)}\n   theirs ${list(theirs)}`);
      }
      const [report, own] = [replay.theirs.reports.get(key), replay.ours.reports.get(key)];
      if (show(report) === show(own)) continue;
      if (report && !own && request.options.consistency === 0) decide('level 0 reports nothing (6)');
      else different.push(`the report of ${JSON.stringify(request)}\n   ours   ${show(own)}\n   theirs ${show(report)}`);
    }
    // Where they were silent, we answer what can be named: once, and then nothing more comes.
    const unanswered = replay.silent.filter((each) => each.ours === undefined && !each.isGone);
    const strays = [...replay.ours.replies].filter(([, list]) => list.length !== 0);
    const reasons = [...decided].map(([why, count]) => `${count}: ${why}`).join('; ');
    console.log(`${name}: ${same} exchanges and ${published} publications are equivalent, ${replay.silent.length} were never answered by them, ${left} left out; decided otherwise: ${reasons}`);
    assert.equal(different.join('\n'), '');
    assert.deepEqual(unanswered, []);
    assert.deepEqual(strays, []);
    assert.ok(same >= exchanges && published >= publications, `${same} exchanges, ${published} publications`);
  });
}
