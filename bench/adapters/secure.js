// Makes the users of the scenario `secure`: u1 in one group, u100 in a hundred, of which the last has the right permission.
'use strict';
const http = require('node:http');

const port = Number(process.argv[2]);
const ask = (path, body, token) => new Promise((resolve, reject) => {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', path, headers }, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('end', () => {
      const text = Buffer.concat(parts).toString();
      if (answer.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${path}: ${text}`));
    });
  });
  request.on('error', reject);
  request.end(JSON.stringify(body));
});

(async () => {
  const { data: token } = await ask('/auth/login', { username: '_ADMIN', password: 'happn' });
  const admin = (verb, args) => ask(`/_admin/${verb}`, args, token);
  for (const groups of [1, 100]) {
    const username = `u${groups}`;
    await admin('upsertUser', { user: { username, password: 'secret' } });
    for (let i = 1; i <= groups; i++) {
      const group = `${username}-${i}`;
      const at = i < groups ? `/other/${i}/*` : '/bench/*';
      await admin('upsertGroup', { group: { name: group, permissions: { [at]: { actions: ['*'] } } } });
      await admin('linkGroup', { group, username });
    }
  }
})();
