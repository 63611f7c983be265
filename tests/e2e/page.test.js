// The quickstart's page in headless Chromium: it connects, sets, and shows what the layers made of it.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Browser } = require('./support/browser');
const { Server } = require('./support/server');
const { Client } = require('./support/clients');

test('the quickstart page shows live events, stamped by the layer', async (t) => {
  const example = path.join(__dirname, '../../examples/quickstart/happn.json');
  const server = await Server.start(['--config', example]);
  t.after(() => server.child.kill('SIGKILL')); // when it failed
  const browser = await Browser.open();
  await browser.call('Page.enable');
  await browser.call('Page.navigate', { url: `http://127.0.0.1:${server.port}/quickstart` });
  await browser.until("document.getElementById('state') && document.getElementById('state').textContent.startsWith('connected')");
  const client = await Client.connect('13', server.port);
  // the page subscribes after its login: set again until it has heard
  const heard = browser.until("document.getElementById('events').textContent.includes('from a client')");
  let isHeard = false;
  heard.then(() => { isHeard = true; });
  while (!isHeard) await client.set('/quickstart/other', { text: 'from a client', secret: 1 });
  await browser.evaluate("document.querySelector('form').requestSubmit()");
  await browser.until("document.getElementById('events').textContent.includes('\"text\":\"hello\"')");
  const text = await browser.evaluate("document.getElementById('events').textContent");
  assert.match(text, /\/SET@\/quickstart\/hello/);
  assert.match(text, /"stamped":"by layers\/stamp\.lua"/);
  assert.doesNotMatch(text, /secret/);
  if (process.env.HAPPN_SCREENSHOT) {
    const { data } = await browser.call('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(process.env.HAPPN_SCREENSHOT, Buffer.from(data, 'base64'));
  }
  await client.disconnect();
  await browser.close();
  await server.stop();
});
