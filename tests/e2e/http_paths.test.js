// One form for every path before exclusions, permissions and routes look at it: raw requests, since clients tidy up themselves.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const net = require('node:net');
const { Admin, startSecured } = require('./support/admin');

let server, token;

test.before(async () => {
  server = await startSecured({}, { services: { connect: { config: { middleware: { security: { exclusions: ['/ex/*'] } } } } } });
  const admin = await Admin.login(server.port);
  await admin.user('web', { '/@HTTP/web/*': { actions: ['get'] } });
  token = (await Admin.login(server.port, 'web-pw', 'web')).token;
});
test.after(() => server.stop());

/** The status of a request whose target is written as it stands; 'closed' when the connection just ends. */
function statusOf(target, headers = '') {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1');
    const parts = [];
    socket.on('data', (part) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => {
      const match = /^HTTP\/1\.[01] (\d+)/.exec(Buffer.concat(parts).toString('latin1'));
      resolve(match ? Number(match[1]) : 'closed');
    });
    socket.write(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`, 'latin1'));
  });
}

test('an exclusion holds for the path it means, not for one that leads out of it', async () => {
  for (const target of ['/ex/a', '/ex/a/../b', '/x/../ex/a', '/ex/%61', '//ex//a', '/ex/%2e%2e%2fex/a', '/ex/%252e%252e/two']) {
    assert.equal(await statusOf(target), 404, `${target} is open, and nothing is there`);
  }
  for (const target of ['/ex', '/two', '/ex/../two', '/ex/%2e%2e/two', '/ex/%2E%2E%2Ftwo', '/ex%2f..%2ftwo', '/ex/./../two', '/ex/a/../../two', '/EX/a']) {
    assert.equal(await statusOf(target), 401, `${target} is not`);
  }
});

test('a permission holds for the path it means', async () => {
  const headers = `Authorization: Bearer ${token}\r\n`;
  for (const target of ['/web/a', '/web/%61', '/web/../web/a', '/x/../web/a', '/web//a', '/web/a?x=/../../etc']) assert.equal(await statusOf(target, headers), 404, target);
  for (const target of ['/web', '/nope', '/web/../nope', '/web/%2e%2e/nope', '/web/..%2fnope', '/WEB/a', '/web/../../nope']) assert.equal(await statusOf(target, headers), 403, target);
});

test('what has no meaning is refused before anybody looks', async () => {
  for (const target of ['/ex/%c0%af', '/ex/%c0%ae%c0%ae/two', '/ex/%e0%80%af', '/ex/%ed%a0%80', '/ex/%ff', '/ex/\xff', '/ex/a%09', '/ex/a%7f', '/ex/a%01']) {
    assert.equal(await statusOf(target), 400, target);
  }
  for (const target of ['/ex/%', '/ex/%4', '/ex/%zz', 'ex', '*', 'http://x/ex/a', '/ex/a%00b']) {
    assert.ok([400, 403, 'closed'].includes(await statusOf(target)), target);
  }
  assert.equal(await statusOf('/ex/a%0d%0aSet-Cookie:x'), 404, 'it ends at the line break, for everybody');
  assert.equal(await statusOf('/ping'), 200, 'and others are served');
});
