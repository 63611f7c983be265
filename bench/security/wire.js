// What security costs whoever speaks to a server: TLS beside plain, logins of a large directory beside a small one, a change of
// permissions with a thousand sessions, the latency of others while many log in. Each pair is measured in one run.
//   node bench/security/wire.js PROGRAM    (the client's modules are those of tests/e2e)
'use strict';
process.env.HAPPN_PROGRAM = process.argv[2];
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const http = require('node:http');
const { promisify } = require('node:util');
const execFile = promisify(require('node:child_process').execFile);
const { Admin, startSecured } = require('../../tests/e2e/support/admin');
const { Server } = require('../../tests/e2e/support/server');
const WebSocket = require('../../tests/e2e/node_modules/ws');

const SECONDS = Number(process.env.BENCH_SECS || 3);
const USERS = Number(process.env.BENCH_USERS || 100000);
const GROUPS = USERS / 10;
const SESSIONS = 1000;
const SUBSCRIPTIONS = 10;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-bench-'));
const say = (what, text) => console.log(`${what.padEnd(62)} ${text}`);
const ms = (since) => Number(process.hrtime.bigint() - since) / 1e6;
const later = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const ticksPerSecond = 100; // of /proc/PID/stat
const cpuSeconds = (pid) => {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};

/** A socket that asks one thing after another; others may be told by `onEvent`. */
class Caller {
  static async open(url, onEvent = () => {}) {
    const self = new Caller();
    self.waiting = [];
    self.socket = new WebSocket(url, { rejectUnauthorized: false, perMessageDeflate: false });
    self.socket.on('message', (bytes) => {
      const message = JSON.parse(bytes);
      if (message._meta && message._meta.type === 'response') self.waiting.shift()(message);
      else onEvent(message);
    });
    await new Promise((resolve, reject) => self.socket.on('open', resolve).on('error', reject));
    await self.call({ action: 'configure-session', data: { protocol: 'happn_4' } });
    return self;
  }
  call(message) {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.socket.send(JSON.stringify({ eventId: 1, ...message }));
    });
  }
  async login(username, password) {
    const reply = await this.call({ action: 'login', data: { username, password } });
    if (reply._meta.status !== 'ok') throw new Error(`login of ${username}: ${JSON.stringify(reply)}`);
  }
}

/** 16 sockets with 16 requests each under way: { rate, cpu } in operations a second and server microseconds of an operation. */
async function setRate(url, pid) {
  const text = 'x'.repeat(80);
  let done = 0;
  let ends = false;
  const sockets = await Promise.all([...Array(16)].map(() => Caller.open(url)));
  const keep = async (caller, from) => {
    for (let i = from; !ends; i += 16) {
      await caller.call({ action: 'set', path: `/bench/${i % 10000}`, data: { text } });
      done++;
    }
  };
  const cpu = cpuSeconds(pid);
  const since = process.hrtime.bigint();
  sockets.forEach((caller) => [...Array(16).keys()].forEach((i) => keep(caller, i)));
  await later(SECONDS);
  ends = true;
  const seconds = ms(since) / 1000;
  const result = { rate: done / seconds, cpu: ((cpuSeconds(pid) - cpu) / done) * 1e6 };
  sockets.forEach((caller) => caller.socket.terminate());
  return result;
}

async function end(server) {
  await server.stop();
  fs.rmSync(server.folder, { recursive: true });
}

async function plainAndTls() {
  const tls = ['mode="https"', `certPath=${JSON.stringify(path.join(folder, 'c.pem'))}`, `keyPath=${JSON.stringify(path.join(folder, 'c.key'))}`];
  const plain = await Server.start();
  const secured = await Server.start(tls.flatMap((each) => ['--set', `services.transport.config.${each}`]));
  for (const round of [1, 2, 3]) {
    for (const [name, url, server] of [['plain', `ws://127.0.0.1:${plain.port}/primus`, plain], ['TLS', `wss://127.0.0.1:${secured.port}/primus`, secured]]) {
      const { rate, cpu } = await setRate(url, server.child.pid);
      say(`set, ${name}, 16 connections x 16 from Node, round ${round}`, `${Math.round(rate)}/s, ${cpu.toFixed(2)} µs of server CPU`);
    }
  }
  await plain.stop();
  await secured.stop();
}

async function each(items, work) {
  let next = 0;
  await Promise.all([...Array(16)].map(async () => {
    while (next < items) await work(next++);
  }));
}

/** The administrators' interface on connections that are kept: making users one connection each would measure connecting. */
function keptAdmin(port, token) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  return (verb, args) => new Promise((resolve, reject) => {
    const request = http.request({ agent, host: '127.0.0.1', port, method: 'POST', path: `/_admin/${verb}`, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`${verb}: ${text}`))));
    });
    request.on('error', reject);
    request.end(JSON.stringify(args));
  });
}

async function directory() {
  const server = await startSecured();
  const call = keptAdmin(server.port, (await Admin.login(server.port)).token);
  const login = async () => {
    const since = process.hrtime.bigint();
    for (let i = 0; i < 300; i++) {
      const caller = await Caller.open(`ws://127.0.0.1:${server.port}/primus`);
      await caller.login('probe', 'pw');
      caller.socket.terminate();
    }
    return `${(ms(since) / 300).toFixed(3)} ms`;
  };
  await call('upsertUser', { user: { username: 'probe', password: 'pw' } });
  say('connect and log in (100 rounds of PBKDF2), 2 users', await login());
  await each(GROUPS, (i) => call('upsertGroup', { group: { name: `g${i}`, permissions: { [`/g/${i}/*`]: { actions: ['get', 'set', 'on'] } } } }));
  await each(USERS, async (i) => {
    await call('upsertUser', { user: { username: `u${i}`, publicKey: 'k' } });
    await call('linkGroup', { group: `g${i % GROUPS}`, username: `u${i}` });
  });
  say(`the same, ${USERS} users in ${GROUPS} groups`, await login());
  await end(server);
}

async function changeOfPermissions() {
  const server = await startSecured();
  const boss = await Admin.login(server.port);
  await boss.call('upsertGroup', { group: { name: 'all', permissions: { '/all/*': { actions: ['on'] } } } });
  const told = [];
  await each(SESSIONS, async (i) => {
    await boss.call('upsertUser', { user: { username: `l${i}`, password: 'pw' } });
    await boss.call('linkGroup', { group: 'all', username: `l${i}` });
    let hear;
    told.push(new Promise((resolve) => { hear = resolve; }));
    const caller = await Caller.open(`ws://127.0.0.1:${server.port}/primus`, (message) => message.eventKey === 'security-data-changed' && hear());
    await caller.login(`l${i}`, 'pw');
    for (let k = 0; k < SUBSCRIPTIONS; k++) await caller.call({ action: 'on', path: `/ALL@/all/${k}/*` });
  });
  const since = process.hrtime.bigint();
  await boss.call('upsertPermission', { group: 'all', path: '/all/5/*', action: 'on', authorized: false });
  const answered = ms(since);
  await Promise.all(told);
  say(`a change that concerns ${SESSIONS} sessions x ${SUBSCRIPTIONS} subscriptions`, `answered after ${answered.toFixed(1)} ms, all told after ${ms(since).toFixed(1)} ms`);
  await end(server);
}

/** The 99th percentile of `set` from 16 connections that wait for each answer, in microseconds: as the load generator sees it, since
 *  a script that logs in at the same time would measure itself. */
async function latency(server) {
  const args = ['--driver', 'happn', '--protocol', 'happn_4', '--port', server.port, '--pid', server.child.pid, '--mode', 'ops', '--op', 'set', '--conns', 16, '--pipeline', 1,
    '--secs', SECONDS, '--user', '_ADMIN', '--pass', 'secret'];
  const { stdout } = await execFile(path.join(__dirname, '../load/hbload'), args.map(String));
  return JSON.parse(stdout).lat_us.p99;
}

async function storm() {
  const server = await startSecured({ pbkdf2Iterations: 210000 });
  say('p99 of set, 16 connections x 1', `${Math.round(await latency(server))} µs`);
  let logins = 0;
  let ends = false;
  const attackers = [...Array(8)].map(async () => {
    while (!ends) {
      await Admin.login(server.port);
      logins++;
    }
  });
  say('the same while 8 log in without a pause (210 000 rounds)', `${Math.round(await latency(server))} µs`);
  ends = true;
  await Promise.all(attackers);
  say('  logins that were answered meanwhile', String(logins));
  await end(server);
}

(async () => {
  await plainAndTls();
  await storm();
  await changeOfPermissions();
  await directory();
  fs.rmSync(folder, { recursive: true });
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
