// The administrators' HTTP interface, for tests; and a secured server.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const http = require('node:http');
const { Server } = require('./server');

/** One HTTP request: { status, reason, headers, text, json }. */
function ask(port, method, url, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch (error) {
          json = undefined;
        }
        resolve({ status: answer.statusCode, reason: answer.statusMessage, headers: answer.headers, text, json });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

class Admin {
  static async login(port, password = 'secret', username = '_ADMIN') {
    const self = new Admin();
    self.port = port;
    const answer = await ask(port, 'POST', '/auth/login', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    if (answer.status !== 200) throw new Error(answer.text);
    self.token = answer.json.data;
    return self;
  }
  async call(verb, args = {}) {
    const answer = await ask(this.port, 'POST', `/_admin/${verb}`, {
      headers: { authorization: `Bearer ${this.token}` },
      body: JSON.stringify(args),
    });
    if (answer.status === 200) return answer.json;
    const error = new Error(answer.json ? answer.json.error.message : answer.text);
    error.status = answer.status;
    throw error;
  }
  /** A user in a group of its own with these permissions. */
  async user(name, permissions, extra = {}) {
    await this.call('upsertUser', { user: { username: name, password: `${name}-pw`, ...extra } });
    await this.call('upsertGroup', { group: { name: `of-${name}`, permissions } });
    await this.call('linkGroup', { group: `of-${name}`, username: name });
  }
}

/** Starts a secured server; security: what services.security.config has besides. */
async function startSecured(security = {}, more = {}, args = []) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-secured-'));
  const file = path.join(folder, 'happn.json');
  const { services = {}, ...top } = more;
  const config = {
    secure: true,
    name: 'secured',
    ...top,
    services: {
      security: { config: { adminUser: { password: 'secret' }, pbkdf2Iterations: 100, ...security } },
      ...services,
    },
  };
  fs.writeFileSync(file, JSON.stringify(config));
  const server = await Server.start(['--config', file, ...args]);
  server.folder = folder;
  return server;
}

module.exports = { ask, Admin, startSecured };
