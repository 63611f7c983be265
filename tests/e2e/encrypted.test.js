// Payload encryption as the clients of 6.3.2 and 8.2.7 speak it, beside clients that do not.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Client, Events } = require('./support/clients');
const { Admin, startSecured } = require('./support/admin');

const refused = (promise, pattern) => assert.rejects(promise, (error) => pattern.test(error.message));

for (const generation of ['1', '6', '8']) {
  test(`${generation}: an encrypted login and encrypted requests, on the same documents as everybody else`, async () => {
    const server = await startSecured({}, { encryptPayloads: true });
    const admin = await Admin.login(server.port);
    await admin.user('enc', { '/e/*': { actions: ['*'] } });
    const client = await Client.connect(generation, server.port, { username: 'enc', password: 'enc-pw' });
    assert.equal(client.inner.session.isEncrypted, true);
    assert.ok(client.inner.session.secret);
    const plain = await Client.connect('13', server.port, { username: '_ADMIN', password: 'secret' });
    const mine = new Events(), theirs = new Events();
    await client.on('/e/*', {}, mine.handler);
    await plain.on('/e/*', {}, theirs.handler);
    await client.set('/e/1', { text: 'grüße ☃' });
    assert.equal((await mine.next()).data.text, 'grüße ☃');
    assert.equal((await theirs.next()).data.text, 'grüße ☃');
    await plain.set('/e/2', { n: 2 });
    assert.equal((await mine.next()).data.n, 2);
    assert.equal((await client.get('/e/1')).text, 'grüße ☃');
    assert.equal((await client.get('/e/*')).length, 2);
    assert.equal((await client.getPaths('/e/*')).length, 2);
    await refused(client.set('/elsewhere', {}), /unauthorized/);
    assert.equal(await client.get('/e/none'), null);
    await client.remove('/e/1');
    assert.equal((await mine.next()).data.removed, 1);
    await client.set('/e/big', { text: 'x'.repeat(300000) });
    assert.equal((await mine.next()).data.text.length, 300000);
    await client.disconnect();
    await refused(Client.connect(generation, server.port, { username: 'enc', password: 'wrong' }), /Invalid credentials/);
    await plain.disconnect();
    await server.stop();
  });
}

test('the log says that this encryption is weak', async () => {
  const server = await startSecured({}, { encryptPayloads: true });
  await server.line(/encryptPayloads is for old clients/);
  await server.stop();
});
