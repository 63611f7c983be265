// Headless Chromium with one page, led by its DevTools protocol.
'use strict';
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const WebSocket = require('ws');

const chromium = process.env.HAPPN_CHROMIUM || 'chromium';

class Browser {
  static async open() {
    const self = new Browser();
    self.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-browser-'));
    self.child = spawn(chromium, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=900,700',
      '--remote-debugging-port=0', `--user-data-dir=${self.folder}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    const url = await new Promise((resolve, reject) => {
      readline.createInterface({ input: self.child.stderr }).on('line', (line) => {
        const match = /DevTools listening on (ws:\S+)/.exec(line);
        if (match) resolve(match[1]);
      });
      self.child.on('error', reject);
      self.child.on('exit', () => reject(new Error('chromium ended')));
    });
    self.pending = new Map();
    self.id = 0;
    self.socket = new WebSocket(url);
    self.socket.on('message', (data) => {
      const message = JSON.parse(data.toString());
      if (self.pending.has(message.id)) self.pending.get(message.id)(message);
    });
    await new Promise((resolve) => self.socket.on('open', resolve));
    const { targetInfos } = await self.call('Target.getTargets');
    const page = targetInfos.find((target) => target.type === 'page');
    self.session = (await self.call('Target.attachToTarget', { targetId: page.targetId, flatten: true })).sessionId;
    return self;
  }
  call(method, params = {}) {
    const id = ++this.id;
    this.socket.send(JSON.stringify({ id, method, params, sessionId: this.session }));
    return new Promise((resolve, reject) => this.pending.set(id, (message) => (message.error ? reject(new Error(message.error.message)) : resolve(message.result))));
  }
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }
  /** Resolves when the expression is true; looks again whenever the page draws. */
  until(expression) {
    return this.evaluate(`new Promise((resolve) => { const look = () => { if (${expression}) resolve(true); else setTimeout(look, 20); }; look(); })`);
  }
  async close() {
    this.socket.terminate();
    this.child.removeAllListeners('exit');
    const gone = new Promise((resolve) => this.child.on('exit', resolve));
    process.kill(-this.child.pid, 'SIGKILL'); // its helpers, too, which would go on writing
    await gone;
    await fs.promises.rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  }
}

module.exports = { Browser };
