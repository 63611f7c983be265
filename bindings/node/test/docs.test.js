'use strict';
// The JavaScript in README.md and docs/clients.md that is marked `<!-- run: ... -->` is run, against a service of this process in place of port 55000.
// Marks: plain; pool; secured: the service is; client: it is given one; open: it leaves one open; program: it requires the module itself.

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');

const happn = require(path.join(process.env.HAPPN_MODULE || path.join(__dirname, '..'), 'index.js'));
const root = path.join(__dirname, '..', '..', '..');
const pages = ['README.md', 'docs/clients.md'];
const snippets = pages.flatMap((page) => {
  const found = [...fs.readFileSync(path.join(root, page), 'utf8').matchAll(/<!-- run: (\w+) -->\n```js\n([\s\S]*?)```/g)];
  return found.map(([, kind, code]) => ({ page, kind, code }));
});
const secured = { secure: true, adminUser: { password: 'a long one' } };

const WHOLE = {
  client: (code) => `const client = await happn.connect({ port: 55000 });\n${code}\nawait client.disconnect();`,
  open: (code) => `${code}\nawait client.disconnect();`,
  program: (code) => code.replace(/^const happn = .*\n/, '').replace(/^happn\.connect/m, 'await happn.connect'),
};

test('there are snippets', () => assert.deepStrictEqual(pages.filter((page) => !snippets.some((snippet) => snippet.page === page)), []));

for (const { page, kind, code } of snippets) {
  test(`${page}: ${code.split('\n')[0]}`, async () => {
    const service = await happn.service.create({ port: 0, host: '127.0.0.1', utils: { logLevel: 'error' }, ...(kind === 'secured' ? secured : {}) });
    const AsyncFunction = (async () => {}).constructor;
    try {
      const whole = WHOLE[kind] ? WHOLE[kind](code) : code;
      await new AsyncFunction('happn', 'require', 'console', whole.replaceAll('55000', String(service.port)))(happn, require, { log() {} });
    } finally {
      await service.stop();
    }
  });
}
