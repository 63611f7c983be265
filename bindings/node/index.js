'use strict';
// happn for Node: promises, or a callback as the last argument. See index.d.ts.

const { EventEmitter } = require('events');
const path = require('path');

const layers = require('./layers');
const security = require('./security');

const native = require(process.env.HAPPN_MODULE ? path.join(process.env.HAPPN_MODULE, 'happn_native.node') : './happn_native.node');

const DONE = 1;
const DATA = 2;
const HOOK = 3;
const CANCEL = 4;
const END = 5;
const STATE = 6;
const REPORT = 7;
const BATCH = 1024;

class HappnError extends Error {
  constructor(status, details, text) {
    details = details || {};
    super(details.message || text || native.status_text(status));
    this.name = details.name || native.status_name(status);
    this.status = status;
    this.errno = status;
    this.code = details.code !== undefined ? details.code : native.status_name(status);
    for (const key of Object.keys(details)) {
      if (!(key in this)) this[key] = details[key];
    }
  }
}

const later = (error) => process.nextTick(() => { throw error; });

/** Gives the promise's result to a callback, when there is one. */
function deliver(promise, callback) {
  if (typeof callback !== 'function') return promise;
  promise.then(
    (result) => process.nextTick(callback, null, result),
    (error) => process.nextTick(callback, error)
  );
  return undefined;
}

/** What goes wrong with the arguments comes the same way as every other error. */
const attempt = (run) => new Promise((resolve) => resolve(run()));

const text = (options) => (options && Object.keys(options).length !== 0 ? JSON.stringify(options) : null);

/** One mailbox. The process stays alive while a request waits or something that was opened is open. */
class Hub {
  constructor() {
    const mailbox = native.open_mailbox(null);
    if (typeof mailbox === 'number') throw new HappnError(mailbox);
    this.mailbox = mailbox;
    this.wake = native.wake_open(mailbox, () => this.drain());
    this.last = 0;
    this.waiting = new Map();
    this.handlers = new Map();
    this.held = 0;
  }

  ticket() {
    return ++this.last;
  }

  hold(count) {
    const was = this.held;
    this.held += count;
    if (this.mailbox && (was === 0) !== (this.held === 0)) native.wake_keep_alive(this.wake, this.held === 0 ? 0 : 1);
  }

  /** Calls a native function with a ticket; resolves to [meta, body] as texts. */
  call(name, ticket, ...args) {
    return new Promise((resolve, reject) => {
      if (!this.mailbox) throw new HappnError(-11);
      if (args.some((arg) => typeof arg === 'string' && arg.includes('\0'))) throw new HappnError(-7, null, 'Bad path: it has a NUL'); // JSON has none
      this.waiting.set(ticket, { resolve, reject });
      let status;
      try {
        status = native[name](this.mailbox, ticket, ...args);
      } catch (error) {
        this.waiting.delete(ticket);
        throw error;
      }
      if (status < 0) {
        this.waiting.delete(ticket);
        throw new HappnError(status);
      }
      this.hold(1);
    });
  }

  /** Registers the handler of a ticket's events, until its END. */
  listen(ticket, handler) {
    this.handlers.set(ticket, handler);
    this.hold(1);
  }

  unlisten(ticket) {
    const handler = this.handlers.get(ticket);
    if (this.handlers.delete(ticket)) this.hold(-1);
    return handler;
  }

  drain() {
    if (!this.mailbox) return;
    const events = native.happn_mailbox_take(this.mailbox, BATCH);
    for (let i = 0; i < events.length && this.mailbox; i += 5) {
      try {
        this.dispatch(events[i], events[i + 1], events[i + 2], events[i + 3], events[i + 4]);
      } catch (error) {
        later(error); // one handler's failure is not the others'
      }
    }
  }

  dispatch(kind, status, ticket, meta, body) {
    if (kind === DONE) {
      const waiting = this.waiting.get(ticket);
      this.waiting.delete(ticket);
      if (!waiting) return;
      this.hold(-1);
      if (status < 0) waiting.reject(new HappnError(status, body ? JSON.parse(body) : null));
      else waiting.resolve([meta, body]);
    } else if (kind === DATA || kind === HOOK || kind === CANCEL) {
      const handler = this.handlers.get(ticket);
      if (handler) handler(kind, meta, body);
    } else if (kind === END) {
      const handler = this.unlisten(ticket);
      if (handler) handler(kind, meta, body);
    } else if (kind === REPORT) {
      const told = this.unlisten(ticket);
      if (told) told(status < 0 ? new HappnError(status, { message: JSON.parse(meta).error }) : null, JSON.parse(body));
    } else if (kind === STATE && ticket !== 0) {
      const handler = this.handlers.get(ticket);
      if (handler) handler(kind, meta, body);
    } else if (kind === STATE) {
      process.emitWarning(meta, 'HappnWarning');
    }
  }

  close() {
    if (!this.mailbox) return;
    this.mailbox = null;
    native.wake_close(this.wake);
    for (const waiting of this.waiting.values()) waiting.reject(new HappnError(-11));
    const handlers = [...this.handlers.values()];
    this.waiting.clear();
    this.handlers.clear();
    for (const handler of handlers) {
      try {
        handler(handler.isReport ? new HappnError(-11) : END, '{}', 'null');
      } catch (error) {
        later(error); // as in drain
      }
    }
  }
}

/** Taken out of the options: the function that hears who got a publication of consistency 1 or 3. */
function takeReport(options) {
  if (!options || typeof options.onPublished !== 'function') return [options, null];
  const { onPublished } = options;
  const told = (error, result) => onPublished(error, result && typeof result === 'object' ? result : undefined);
  told.isReport = true;
  return [{ ...options, onPublished: true }, told];
}

/** What the original gives: the data with `_meta` attached. */
function withMeta([meta, body]) {
  const data = JSON.parse(body);
  if (data !== null && typeof data === 'object' && !Array.isArray(data) && data._meta === undefined) data._meta = JSON.parse(meta);
  return data;
}

/** The string language: `*` is any text. */
function matches(pattern, text) {
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`).test(text);
}

/** What security.js asks with: an administrator's verb, through a client or, for the host, through the service. */
function administrator(hub, ticket) {
  const ask = (verb, json) => hub.call('happn_mb_administer', hub.ticket(), ticket, verb, json);
  return (verb, toArguments, callback) =>
    deliver(attempt(() => ask(verb, JSON.stringify(toArguments()))).then(([, body]) => JSON.parse(body)), callback);
}

class Client {
  constructor(hub, ownsHub) {
    this.hub = hub;
    this.ownsHub = ownsHub;
    this.ticket = hub.ticket();
    this.emitter = new EventEmitter();
    this.subscriptions = new Map();
    this.session = null;
    /** happn-3's numbers: 0 not connected yet, 1 active, 2 disconnected, 4 reconnecting. */
    this.status = 0;
    this.security = security(administrator(hub, this.ticket));
  }

  /** @private */
  async open(service, options) {
    this.hub.listen(this.ticket, (kind, meta) => {
      if (kind === STATE) {
        this.tellState(JSON.parse(meta));
        return;
      }
      this.status = 2;
      const reason = meta && JSON.parse(meta).reason;
      if (reason) this.emitter.emit('connection-ended', reason);
    });
    try {
      const [, body] = await this.hub.call('happn_mb_client_open', this.ticket, service, text(options));
      this.session = JSON.parse(body);
      this.status = 1;
    } catch (error) {
      if (this.ownsHub) this.hub.close();
      throw error;
    }
    return this;
  }

  /** @private The original's names. */
  tellState({ state, reason, attempt, wait }) {
    this.status = state === 'back' ? 1 : 4;
    if (state === 'back') {
      this.emitter.emit('reconnect-successful', { attempt });
      return;
    }
    if (state === 'lost') this.emitter.emit('connection-lost', reason);
    this.emitter.emit('reconnect-scheduled', { attempt, scheduled: wait, reason });
  }

  /** @private One that publishes: with a report when the options ask for it. */
  async askReported(name, options, ...args) {
    const [plain, told] = takeReport(options);
    if (!told) return this.ask(name, ...args, text(options));
    const ticket = this.hub.ticket();
    this.hub.listen(ticket, told);
    try {
      return await this.hub.call(name, ticket, this.ticket, ...args, text(plain));
    } catch (error) {
      this.hub.unlisten(ticket); // nothing is published
      throw error;
    }
  }

  /** @private */
  ask(name, ...args) {
    return this.hub.call(name, this.hub.ticket(), this.ticket, ...args);
  }

  set(path, data, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    const json = () => JSON.stringify(data === undefined ? {} : data);
    return deliver(attempt(() => this.askReported('happn_mb_set', options, path, json())).then(withMeta), callback);
  }

  get(path, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    return deliver(attempt(() => this.ask('happn_mb_get', path, text(options))).then(withMeta), callback);
  }

  getPaths(path, callback) {
    const list = ([, body]) => {
      const found = JSON.parse(body);
      return Array.isArray(found) ? found : found ? [found] : [];
    };
    return deliver(this.ask('happn_mb_get_paths', path).then(list), callback);
  }

  /** How many documents a get would find: { value }. */
  count(path, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    return deliver(attempt(() => this.ask('happn_mb_count', path, text(options))).then(withMeta), callback);
  }

  /** What was made from one time to another, both in milliseconds and included. */
  getCreatedBetween(path, from, to, callback) {
    const get = () => {
      if (!(from <= to)) throw new HappnError(-2, { message: 'from and to must be numbers (milliseconds), from not after to' });
      return this.get(path, { criteria: { '_meta.created': { $gte: from, $lte: to } } });
    };
    return deliver(attempt(get), callback);
  }

  /** increment(path, [gauge], [by], [options], [callback]): adds to a counter of the document, atomically. */
  increment(path, ...rest) {
    const callback = typeof rest[rest.length - 1] === 'function' ? rest.pop() : undefined;
    const [gauge = 'counter', by = 1, options = {}] = rest;
    return this.set(path, gauge, { ...options, increment: by }, callback);
  }

  /** Stores below the path under a new name: `_meta.path` of the answer. */
  setSibling(path, data, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    return this.set(path, data, { ...options, set_type: 'sibling' }, callback);
  }

  /** Tells the subscribers without storing anything. */
  publish(path, data, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    return this.set(path, data, { ...options, noStore: true }, callback);
  }

  remove(path, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    return deliver(this.askReported('happn_mb_remove', options, path).then(withMeta), callback);
  }

  /** on(path, [options], handler(data, meta), [callback]): gives the handle for off. */
  on(path, options, handler, callback) {
    if (typeof options === 'function') [options, handler, callback] = [null, options, handler];
    const ticket = this.hub.ticket();
    const subscribed = async () => {
      if (typeof handler !== 'function') throw new HappnError(-2, { message: 'you cannot subscribe without passing in a subscription callback' });
      this.hub.listen(ticket, (kind, meta, body) => {
        if (kind === END) this.subscriptions.delete(ticket);
        else if (kind === STATE) this.emitter.emit('initial-values', { handle: ticket, path, values: JSON.parse(body) });
        else handler(JSON.parse(body), JSON.parse(meta));
      });
      this.subscriptions.set(ticket, path);
      try {
        const [, body] = await this.hub.call('happn_mb_on', ticket, this.ticket, path, text(options));
        if (options && options.initialCallback) return [ticket, JSON.parse(body)];
        return [ticket];
      } catch (error) {
        this.subscriptions.delete(ticket);
        this.hub.unlisten(ticket);
        throw error;
      }
    };
    if (typeof callback !== 'function') return subscribed().then(([handle]) => handle);
    subscribed().then(
      ([handle, initial]) => process.nextTick(callback, null, handle, initial),
      (error) => process.nextTick(callback, error)
    );
    return undefined;
  }

  /** For one event. */
  once(path, options, handler, callback) {
    if (typeof options === 'function') [options, handler, callback] = [null, options, handler];
    return this.on(path, { ...options, count: 1 }, handler, callback);
  }

  /** For everything that happens. */
  onAll(handler, callback) {
    return this.on('*', null, handler, callback);
  }

  /** Also when it has ended by itself, because its count was used up. */
  off(handle, callback) {
    const hasEnded = () => this.status !== 2 && handle > this.ticket && handle <= this.hub.last && !this.subscriptions.has(handle);
    const ask = () => {
      if (typeof handle !== 'number') throw new HappnError(-2, { message: 'handle must be a number: what on has given' });
      return hasEnded() ? null : this.ask('happn_mb_off', handle).catch((error) => {
        if (error.status !== -11 || !hasEnded()) throw error;
      });
    };
    return deliver(attempt(ask).then(() => undefined), callback);
  }

  offPath(pattern, callback) {
    const handles = [...this.subscriptions].filter(([, path]) => matches(pattern, path)).map(([handle]) => handle);
    return deliver(Promise.all(handles.map((handle) => this.off(handle))).then(() => undefined), callback);
  }

  offAll(callback) {
    return this.offPath('*', callback);
  }

  /** One's own: { oldPassword, newPassword }. */
  changePassword(passwords, callback) {
    return deliver(attempt(() => this.ask('happn_mb_change_password', JSON.stringify(passwords))).then(() => undefined), callback);
  }

  /** Ends this login's token, and with it every session that was opened with it: this one, too. */
  revokeToken(callback) {
    return deliver(this.ask('happn_mb_revoke_token').then(() => undefined), callback);
  }

  /** 'connection-ended' (reason); with `reconnect: true` also 'connection-lost' (reason), 'reconnect-scheduled' ({attempt, scheduled,
   * reason}), 'reconnect-successful' ({attempt}), and before it, for each subscription with `initialCallback`, 'initial-values' ({handle, path,
   * values}) */
  onEvent(name, handler) {
    this.emitter.on(name, handler);
    return handler;
  }

  offEvent(name, handler) {
    this.emitter.removeListener(name, handler);
  }

  /** disconnect([{ revokeToken }], [callback]) */
  disconnect(options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    const ignoreClosed = (error) => { if (error.status !== -11) throw error; };
    const close = () => this.ask('happn_mb_client_close').catch(ignoreClosed).then(() => { if (this.ownsHub) this.hub.close(); });
    const revoked = options && options.revokeToken ? this.revokeToken().catch(ignoreClosed) : Promise.resolve();
    const closed = revoked.then(close, (error) => close().then(() => { throw error; }));
    return deliver(closed, callback);
  }
}

class Service extends EventEmitter {
  constructor() {
    super();
    this.hub = new Hub();
    this.ticket = this.hub.ticket();
    this.port = 0;
    const session = {
      localClient: (login, callback) => (typeof login === 'function' ? this.logIn({}, login) : this.logIn(login || {}, callback)),
      localAdminClient: (callback) => this.client(callback),
    };
    /** happn-3's names. */
    this.services = { security: security(administrator(this.hub, this.ticket)), session };
    session.disconnectSession = (id, ...rest) => { // happn-3 13 has the callback before the reason, others behind
      const details = rest.find((item) => typeof item !== 'function');
      const callback = rest.find((item) => typeof item === 'function');
      return this.services.security.disconnectSession(id, details && details.reason ? details.reason : details, ...(callback ? [callback] : []));
    };
  }

  /** @private */
  async start(config) {
    this.hub.listen(this.ticket, () => this.emit('stopped'));
    try {
      const [rest, functions] = layers.fromConfig(config || {});
      await this.hub.call('happn_mb_service_new', this.ticket, JSON.stringify(rest));
      for (const { fn, options } of functions) await this.addLayer(fn, options);
      const [meta] = await this.hub.call('happn_mb_service_start', this.hub.ticket(), this.ticket);
      this.port = JSON.parse(meta).port;
    } catch (error) {
      this.hub.close();
      throw error;
    }
    return this;
  }

  /** addLayer(fn, [options], [callback]): a function that sees what comes in, behind the layers of scripts. */
  addLayer(fn, options, callback) {
    if (typeof options === 'function') [options, callback] = [undefined, options];
    const add = () => {
      if (typeof fn !== 'function') throw new TypeError('a layer is a function');
      const text = layers.optionsText(options);
      const ticket = this.hub.ticket();
      this.hub.listen(ticket, layers.layer(fn, {
        complete: (token, verdict, json) => {
          if (this.hub.mailbox) native.happn_mb_hook_complete(this.hub.mailbox, 0, token, verdict, json);
        },
        report: (error) => this.reportMistake(error),
      }));
      return this.hub.call('happn_mb_layer_add', ticket, this.ticket, text);
    };
    return deliver(attempt(add).then(() => undefined), callback);
  }

  /** @private What a layer has thrown that is no refusal. */
  reportMistake(error) {
    if (this.emit('layer-error', error)) return;
    process.emitWarning('a layer failed', { type: 'HappnWarning', detail: (error && error.stack) || String(error) });
  }

  /** @private A client in this process that is somebody: { username, password } or { token }. */
  logIn(login, callback) {
    const { username, password, token, publicKey, privateKey, keyPair, cookie, cookieName, info } = login.config || login;
    const who = { username, password, token, publicKey, privateKey, keyPair, cookie, cookieName, info: info || {} };
    return deliver(new Client(this.hub, false).open(this.ticket, who), callback);
  }

  /** A client in this process, without a socket: the host, who may do everything. */
  client(callback) {
    return deliver(new Client(this.hub, false).open(this.ticket), callback);
  }

  reload(callback) {
    return deliver(this.hub.call('happn_mb_service_reload', this.hub.ticket(), this.ticket).then(() => undefined), callback);
  }

  stop(options, callback) {
    if (typeof options === 'function') callback = options;
    const reconnect = options && options.reconnect === false ? 0 : 1;
    const stopped = this.hub.call('happn_mb_service_close', this.hub.ticket(), this.ticket, reconnect)
      .catch((error) => { if (error.status !== -11) throw error; })
      .then(() => new Promise((resolve) => setImmediate(resolve))) // what ended with it is told first
      .then(() => this.hub.close());
    return deliver(stopped, callback);
  }
}

/** What happn-3's clients call otherwise: [option there, option here]. */
const originals = [['callTimeout', 'timeout'], ['loginTimeout', 'connectTimeout'], ['allowSelfSignedCerts', 'insecure'], ['loginType', null], ['config', null],
  ['protocol', null], ['socket', null], ['poolReconnectDelay', null]];

/** The options of happn-3's clients as ours: `config` inside, lists as a pool, `protocol`, `reconnect: { retries, max }`. */
function fromOriginal(given) {
  if (typeof given === 'string') return { url: given };
  const options = Array.isArray(given) ? { pool: given } : { ...given, ...given.config };
  const { protocol, reconnect } = options;
  if (given.config) delete options.secure; // beside `config` it says there that the server wants a login; here it is TLS
  for (const [theirs, ours] of originals) {
    if (ours && options[theirs] !== undefined && options[ours] === undefined) options[ours] = options[theirs];
    delete options[theirs];
  }
  if (protocol === 'https' || protocol === 'wss') options.secure = true;
  if (reconnect !== null && typeof reconnect === 'object') {
    options.reconnect = true;
    if (reconnect.max !== undefined && options.reconnectMax === undefined) options.reconnectMax = reconnect.max;
    if (Number.isFinite(reconnect.retries) && options.reconnectAttempts === undefined) options.reconnectAttempts = reconnect.retries;
  }
  if (options.pool) options.pool = options.pool.map((item) => (item && item.config ? fromOriginal(item) : item));
  return options;
}

async function connect(options) {
  return new Client(new Hub(), true).open(0, typeof options === 'string' ? { url: options } : options || {});
}

module.exports = {
  HappnError,
  Refused: layers.Refused,
  /** What a layer returns that answers itself: everything behind it is left out. */
  reply: layers.reply,
  version: native.happn_version(),
  connect,
  service: {
    create(config, callback) {
      if (typeof config === 'function') [config, callback] = [{}, config];
      return deliver((async () => new Service().start(config))(), callback);
    },
  },
  client: {
    /** create([options], [callback]); happn-3's own: create([server, ...], { poolType, ... }, [callback]) */
    create(options, ...rest) {
      const callback = typeof options === 'function' ? options : rest.find((item) => typeof item === 'function');
      const more = rest.find((item) => item !== null && typeof item === 'object');
      const given = typeof options === 'function' ? {} : options;
      return deliver(attempt(() => connect({ ...fromOriginal(given || {}), ...(more ? fromOriginal(more) : {}) })), callback);
    },
  },
};
