// Plays a capture again: what its clients said goes to our server, connection by connection, and what our server says is kept beside
// what theirs said: the answers, the publications (by who caused them), the reports of publications, and the transport's own words.
'use strict';
const fs = require('node:fs');
const WebSocket = require('ws');

const metaOf = (message) => (Array.isArray(message) ? message[message.length - 1] : message && message._meta) || {}; // of a list the last element

function readCapture(name) {
  const text = fs.readFileSync(`${__dirname}/../../captures/${name}.jsonl`, 'utf8');
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What one server said, sorted. A publication belongs to the request that caused it: `<connection>/<eventId>`. */
class Said {
  constructor() {
    this.replies = new Map(); // conn/eventId -> messages
    this.publications = new Map(); // cause -> [[recipient, message]]
    this.reports = new Map(); // conn/eventId -> message
    this.systems = new Map(); // conn -> system messages, words of the transport, how it closed
    this.sessions = new Map(); // session id -> conn
    this.waiting = [];
  }
  cause(conn, meta) {
    const id = String(meta.publicationId || '');
    const cut = id.lastIndexOf('-');
    const publisher = this.sessions.get(id.slice(0, cut));
    return `${publisher === undefined ? conn : publisher}/${id.slice(cut + 1)}`;
  }
  take(conn, message) {
    const add = (map, key, value) => map.set(key, [...(map.get(key) || []), value]);
    const meta = metaOf(message);
    if (typeof message === 'string' || meta.type === 'system') add(this.systems, conn, message);
    else if (meta.type === 'data') add(this.publications, this.cause(conn, meta), [conn, message]);
    else if (meta.type === 'ack') this.reports.set(`${conn}/${meta.eventId}`, message);
    else {
      if (meta.action === 'login' && message.data && message.data.id) this.sessions.set(message.data.id, conn);
      add(this.replies, `${conn}/${meta.eventId}`, message);
    }
    this.waiting = this.waiting.filter((look) => !look());
  }
  sessionOf(conn) {
    const found = [...this.sessions].find(([, each]) => each === conn);
    return found && found[0];
  }
  /** Resolves with what find() finds, now or later. */
  until(find) {
    return new Promise((resolve) => {
      const look = () => {
        const found = find();
        if (found !== undefined) resolve(found);
        return found !== undefined;
      };
      if (!look()) this.waiting.push(look);
    });
  }
  reply(key) {
    const found = this.replies.get(key);
    if (found === undefined || found.length === 0) return undefined;
    return found.shift();
  }
  publicationTo(conn, cause) {
    const found = (this.publications.get(cause) || []).find(([recipient]) => recipient === conn);
    return found && found[1];
  }
}

function readTheirs(entries) {
  const said = new Said();
  for (const entry of entries) {
    if (entry.dir !== 's2c') continue;
    if (entry.kind === 'text' && entry.truncated_total_chars === undefined) said.take(entry.conn, JSON.parse(entry.raw));
    else if (entry.kind === 'close') said.take(entry.conn, `close ${entry.code}`);
  }
  return said;
}

class Peer {
  constructor(port, conn, said) {
    this.conn = conn;
    this.said = said;
    this.fences = 0;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
    this.open = new Promise((resolve, reject) => this.socket.on('open', resolve).on('error', reject));
    this.gone = new Promise((resolve) => this.socket.on('close', (code) => {
      this.isGone = true;
      said.take(conn, `close ${code}`);
      resolve();
    }));
    this.pong = () => new Promise((resolve) => this.socket.once('pong', (data) => resolve(data.toString())));
    this.socket.on('message', (data) => said.take(conn, JSON.parse(data.toString())));
  }
  send(raw) {
    if (!this.isGone) this.socket.send(raw);
  }
  reply(eventId) {
    return Promise.race([this.said.until(() => this.said.reply(`${this.conn}/${eventId}`)), this.gone.then(() => undefined)]);
  }
  /** Everything said before has been answered, and what was published to this connection has come. */
  async fence() {
    const eventId = `fence ${++this.fences}`;
    this.send(JSON.stringify({ action: 'describe', eventId }));
    await this.reply(eventId);
  }
  async end() {
    await this.fence();
    this.socket.close();
    await this.gone;
  }
}

/** Whether two messages are the same but for what differs by nature (each test says what that is). */
class Replay {
  /** server: with the port. hooks.note(text, replay): what happens beside the connections. */
  constructor(name, server, hooks = {}) {
    this.entries = readCapture(name);
    this.theirs = readTheirs(this.entries);
    this.ours = new Said();
    this.server = server;
    this.hooks = hooks;
    this.peers = new Map();
    this.handles = new Map(); // their reference id -> ours
    this.exchanges = []; // {request, raw, key, theirs, ours}
    this.silent = []; // requests they never answered
    this.noise = []; // frames that are no requests
  }

  async peer(conn) {
    if (!this.peers.has(conn)) {
      const peer = new Peer(this.server.port, conn, this.ours);
      this.peers.set(conn, peer);
      await peer.open;
    }
    return this.peers.get(conn);
  }

  async run() {
    for (const entry of this.entries) {
      if (entry.kind === 'note') await (this.hooks.note && this.hooks.note(entry.raw, this));
      else if (entry.dir === 'c2s' && entry.truncated_total_chars === undefined) await this.say(entry);
    }
    await this.finish();
  }

  async say(entry) {
    if (entry.kind === 'close') {
      const peer = this.peers.get(entry.conn);
      const isSentAway = (this.theirs.systems.get(entry.conn) || []).includes('primus::server::close');
      if (peer && isSentAway) await peer.gone; // the server ended it, then and now
      else if (peer && !peer.isGone) await peer.end();
      return;
    }
    const peer = await this.peer(entry.conn);
    if (entry.kind === 'binary') return peer.socket.send(Buffer.from(entry.raw, 'base64'));
    if (entry.kind === 'ws-ping') {
      const pong = peer.pong();
      peer.socket.ping(entry.raw);
      this.noise.push({ entry, pong: await pong });
      return;
    }
    if (entry.kind !== 'text') return;
    const request = parse(entry.raw);
    if (request === null || typeof request !== 'object' || Array.isArray(request)) {
      peer.send(entry.raw);
      this.noise.push({ entry });
      return;
    }
    await this.exchange(entry, peer, request);
  }

  async exchange(entry, peer, request) {
    const key = `${entry.conn}/${request.eventId}`;
    const theirs = this.theirs.reply(key);
    if (this.hooks.leave && (await this.hooks.leave(request, theirs, entry))) return;
    await this.translate(request, peer);
    peer.send(JSON.stringify(request));
    if (theirs === undefined) {
      await peer.fence();
      this.silent.push({ request, raw: entry.raw, key, ours: this.ours.reply(key), isGone: peer.isGone });
      return;
    }
    const ours = await peer.reply(request.eventId);
    const [theirId, ourId] = [theirs, ours].map((message) => (message && message.data && message.data.id) || metaOf(message).referenceId);
    if (request.action === 'on' && theirId) this.handles.set(theirId, ourId);
    const exchange = { request, raw: entry.raw, key, theirs, ours };
    this.exchanges.push(exchange);
    if (this.hooks.exchanged) this.hooks.exchanged(exchange);
  }

  /** Puts the names our server gave in place of theirs. */
  async translate(request, peer) {
    const given = request.options && request.options.referenceId;
    if (given && this.handles.has(given)) request.options.referenceId = this.handles.get(given);
    const targets = request.options && request.options.targetClients;
    if (Array.isArray(targets)) request.options.targetClients = targets.map((id) => this.ours.sessionOf(this.theirs.sessions.get(id)) || id);
    if (request.action !== 'ack') return;
    for (const [cause, list] of this.theirs.publications) {
      if (!list.some(([conn, message]) => conn === peer.conn && message._meta.publicationId === request.data)) continue;
      const ours = await this.ours.until(() => this.ours.publicationTo(peer.conn, cause));
      request.data = ours._meta.publicationId;
      const report = this.theirs.reports.get(cause);
      if (report && report.status === 'error') await this.ours.until(() => this.ours.reports.get(cause)); // it came too late
      return;
    }
  }

  async finish() {
    const left = [...this.peers.values()].filter((peer) => !peer.isGone);
    for (const { key } of this.exchanges) {
      if (!this.theirs.reports.has(key)) continue;
      const peer = this.peers.get(Number(key.split('/')[0]));
      await Promise.race([this.ours.until(() => this.ours.reports.get(key)), peer.gone]);
    }
    for (const peer of left) await peer.fence();
    for (const peer of left) {
      peer.socket.terminate();
      await peer.gone;
    }
  }
}

module.exports = { Replay, metaOf, readCapture };
