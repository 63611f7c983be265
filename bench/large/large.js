// What a document of ten megabytes costs in memory: the most that the server holds above idle while it is set, told to a hundred clients, got, and
// set again; in memory and in a file.
//   node bench/large/large.js PROGRAM [CLIENTS]    (the client's modules are those of tests/e2e)
'use strict';
process.env.HAPPN_PROGRAM = process.argv[2];
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Server } = require('../../tests/e2e/support/server');
const WebSocket = require('../../tests/e2e/node_modules/ws');

const CLIENTS = Number(process.argv[3] || 100);
const MEGABYTES = 10;
const ROUNDS = Number(process.env.BENCH_ROUNDS || 3);
const text = 'x'.repeat(MEGABYTES << 20);

/** Kilobytes, by its name in /proc/PID/status; the peak counts from the last reset. */
const status = (pid, name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const resetPeak = (pid) => fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** One socket; frames are looked at by their first bytes only, so that a hundred of them fit into this process. */
class Peer {
  static async open(port, protocol) {
    const self = new Peer();
    self.waiting = [];
    self.events = 0;
    self.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`, { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 64 << 20 });
    self.socket.on('message', (bytes) => {
      const end = bytes.subarray(Math.max(0, bytes.length - 400)).toString() + bytes.subarray(0, 200).toString();
      if (end.includes('"type":"data"')) self.onEvent();
      else if (!end.includes('primus::')) self.waiting.shift()(end);
    });
    await new Promise((resolve, reject) => self.socket.on('open', resolve).on('error', reject));
    await self.call(`{"action":"configure-session","eventId":1,"data":{"protocol":"${protocol}"}}`);
    return self;
  }
  call(message) {
    return new Promise((resolve, reject) => {
      this.waiting.push((reply) => (reply.includes('"status":"ok"') ? resolve() : reject(new Error(reply))));
      this.socket.send(message);
    });
  }
  heard() {
    return new Promise((resolve) => { this.onEvent = resolve; });
  }
}

/** The server's peak above idle, in megabytes, while `run` does its work. */
async function above(pid, idle, run) {
  resetPeak(pid);
  await run();
  return (status(pid, 'VmHWM') - idle) / 1024;
}

async function measure(args) {
  const server = await Server.start(['--set', 'services.transport.config.queueBytes=67108864', ...args]);
  const { pid } = server.child;
  const peers = [];
  for (let i = 0; i < CLIENTS; i++) {
    const peer = await Peer.open(server.port, ['happn_1', 'happn_2', 'happn_3', 'happn_4'][i % 4]);
    await peer.call('{"action":"on","eventId":2,"path":"/ALL@/large","data":null}');
    peers.push(peer);
  }
  const writer = await Peer.open(server.port, 'happn_4');
  await writer.call('{"action":"set","eventId":3,"path":"/small","data":{"a":1}}');
  await writer.call('{"action":"get","eventId":3,"path":"/small","data":null}');
  const idle = status(pid, 'VmRSS');
  const set = (n) => async () => {
    const heard = peers.map((peer) => peer.heard());
    await writer.call(`{"action":"set","eventId":${n},"path":"/large","data":{"n":${n},"text":"${text}"}}`);
    await Promise.all(heard);
  };
  const get = () => writer.call('{"action":"get","eventId":9,"path":"/large","data":null}');
  const result = [await above(pid, idle, set(4)), await above(pid, idle, get), await above(pid, idle, set(5))];
  result.push((status(pid, 'VmRSS') - idle) / 1024);
  for (const peer of [...peers, writer]) peer.socket.terminate();
  await server.stop();
  return result;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'happn-large-'));
  const kinds = { memory: () => [], file: (n) => ['--file', path.join(folder, `${n}.db`)] };
  console.log(`a document of ${MEGABYTES} MB, ${CLIENTS} clients, MB above idle at most (median of ${ROUNDS}): set and told, got, set again and told; what stays`);
  for (const [name, args] of Object.entries(kinds)) {
    const rounds = [];
    for (let n = 0; n < ROUNDS; n++) rounds.push(await measure(args(n)));
    console.log(`${name.padEnd(8)} ${[0, 1, 2, 3].map((i) => median(rounds.map((round) => round[i])).toFixed(1).padStart(7)).join('')}`);
  }
  fs.rmSync(folder, { recursive: true });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
