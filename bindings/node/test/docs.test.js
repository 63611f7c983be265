'use strict';
// The JavaScript in docs/clients.md that is marked `<!-- run: ... -->` is run, against a service of this process in place of port 55000.

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));
const text = fs.readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'clients.md'), 'utf8');
const snippets = [...text.matchAll(/<!-- run: (\w+) -->\n```js\n([\s\S]*?)```/g)];
const secured = { secure: true, adminUser: { password: 'a long one' } };

test('there are snippets', () => assert.notStrictEqual(snippets.length, 0));

for (const [, kind, code] of snippets) {
  test(`docs/clients.md: ${code.split('\n')[0]}`, async () => {
    const service = await happn.service.create({ port: 0, host: '127.0.0.1', utils: { logLevel: 'error' }, ...(kind === 'secured' ? secured : {}) });
    const AsyncFunction = (async () => {}).constructor;
    try {
      await new AsyncFunction('happn', 'require', 'console', code.replaceAll('55000', String(service.port)))(happn, require, { log() {} });
    } finally {
      await service.stop();
    }
  });
}
