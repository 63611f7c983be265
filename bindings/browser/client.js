// What a page uses: HappnClient.create(options), and the verbs. Each gives a promise, or calls back when a function comes last.

const CALL_TIMEOUT = 60000;
const CONNECT_TIMEOUT = 30000;
const DEPTH = 5;
const NOBODY = () => {};

/** The options as they may stand: at the top, or where the originals of several ages had them. */
function readOptions(given) {
  const inner = given.config || {};
  const all = { ...given, ...inner, ...(given.connection || {}), ...((inner.connection || {})) };
  const page = typeof location === 'object' ? location : {};
  const isSecure = (all.protocol || (page.protocol || '').replace(':', '') || 'http') === 'https';
  const host = all.host || page.hostname || '127.0.0.1';
  const port = all.port || page.port || (page.hostname ? (isSecure ? 443 : 80) : 55000);
  return {
    url: (all.url || `${isSecure ? 'wss' : 'ws'}://${host}:${port}`).replace(/^http/, 'ws').replace(/\/+$/, ''),
    username: all.username,
    password: all.password,
    token: all.token,
    useCookie: all.useCookie,
    cookieName: all.cookieName || 'happn_token',
    info: all.info,
    callTimeout: all.callTimeout || CALL_TIMEOUT,
    connectTimeout: all.connectTimeout || CONNECT_TIMEOUT,
    depth: all.defaultVariableDepth || DEPTH,
    WebSocket: all.WebSocket || WebSocket,
  };
}

/** A promise; or, when there is a function for it, that is called. */
function answer(callback, run) {
  if (typeof callback === 'function') {
    run(callback);
    return undefined;
  }
  return new Promise((resolve, reject) => run((error, ...results) => (error ? reject(error) : resolve(results[0]))));
}

/** (options, callback), where the options may be missing. */
function sort(options, callback) {
  return typeof options === 'function' ? [null, options] : [options || null, callback];
}

/** What may not stand in a path, as the server says it; asked here so that nothing is sent for it. */
function checkPath(path, isForSet) {
  if (typeof path !== 'string' || path === '') throw new Error(`Bad path [${path}], must be a string`);
  if (isForSet && path.includes('*')) throw new Error(`Bad path [${path}], a document's path has no *`);
}

class HappnClient {
  constructor(options) {
    this.options = readOptions(options || {});
    this.listeners = new Map();
    this.systemHandlers = new Map();
    this.lastHandler = 0;
    this.session = null;
    this.state = 'new'; // connecting, active, away, ended
    this.requests = new Requests((message) => this.wire.send(message), () => this.session && this.session.id, this.options.callTimeout);
    this.subscriptions = new Subscriptions((message, parameters, done) => this.whenActive(message, parameters, done), this.options.depth);
    this.wire = new Wire(`${this.options.url}/primus?_primuscb=${Date.now()}`, this.options, {
      open: () => this.introduce(),
      message: (message) => this.received(message),
      lost: (reason) => this.lost(reason),
      wait: (attempt) => this.emit('reconnect-scheduled', attempt),
      closed: (reason) => this.closed(reason),
    });
  }

  /** create([options], [callback]): a client that is connected and logged in. */
  static create(options, callback) {
    const [given, done] = sort(options, callback);
    return answer(done, (tell) => {
      let client;
      try {
        client = new HappnClient(given);
      } catch (error) {
        tell(error);
        return;
      }
      client.connect((error) => (error ? tell(error) : tell(null, client)));
    });
  }

  /** Also after disconnect(); create has done it already. */
  connect(callback) {
    return answer(callback, (tell) => {
      if (this.state !== 'new') {
        tell(this.state === 'active' ? null : new Error('this client has ended, make a new one with HappnClient.create'), this);
        return;
      }
      this.state = 'connecting';
      this.connected = tell;
      this.wire.connect();
    });
  }

  // ---- the life of a connection

  introduce() {
    const data = { protocol: 'happn_4', browser: typeof location === 'object' };
    this.requests.ask({ action: 'configure-session', data }, null, (error) => {
      if (error) this.loginFailed(error);
      else this.requests.ask({ action: 'describe', data: null }, null, (failure, about) => (failure ? this.loginFailed(failure) : this.login(about)));
    });
  }

  login(about) {
    const { username, password, token, useCookie, cookieName, info, url } = this.options;
    const data = { protocol: 'happn_4', info };
    const cookie = useCookie && typeof document === 'object' && new RegExp(`(?:^|; )${cookieName}=([^;]+)`).exec(document.cookie);
    if (token) data.token = token;
    else if (username !== undefined) Object.assign(data, { username, password });
    else if (cookie) data.token = decodeURIComponent(cookie[1]);
    else if (about.secure) {
      this.loginFailed(Object.assign(new Error(`the server at ${url} is secured: give create a username and password, or a token`), { name: 'AccessDenied', code: 401 }));
      return;
    }
    this.requests.ask({ action: 'login', data }, {}, (error, session) => (error ? this.loginFailed(error) : this.loggedIn(session)));
  }

  loggedIn(session) {
    const { _meta, ...own } = session;
    this.session = own;
    if (this.state === 'connecting') {
      this.state = 'active';
      this.tellConnected(null);
      return;
    }
    const ask = (message, options, done) => this.requests.ask(message, options, done);
    this.subscriptions.again(ask, (told) => this.emit('initial-values', told), (error) => {
      if (this.state !== 'away') return;
      if (error) { // a subscription that is missing must not be silent
        this.emit('reconnect-error', error);
        this.wire.drop(error.message);
        return;
      }
      const { attempt } = this.wire;
      this.wire.settled();
      this.state = 'active';
      this.emit('reconnect-successful', { attempt });
    });
  }

  loginFailed(error) {
    if (this.state === 'connecting') {
      this.state = 'ended';
      this.wire.close(() => this.tellConnected(error));
      return;
    }
    if (this.state !== 'away') return; // the connection broke meanwhile
    this.emit('reconnect-error', error);
    this.wire.drop(error.message);
  }

  tellConnected(error) {
    const tell = this.connected || NOBODY;
    this.connected = null;
    tell(error, this);
  }

  lost(reason) {
    if (this.state === 'active') this.emit('connection-lost', reason);
    if (this.state !== 'connecting') this.state = 'away';
    this.requests.failAll(new Error(`the connection was lost: ${reason}`));
  }

  closed(reason) {
    const wasConnecting = this.state === 'connecting';
    const id = this.session && this.session.id;
    this.state = 'ended';
    this.requests.failAll(new Error(`the connection ended: ${reason}`));
    if (wasConnecting) this.tellConnected(new Error(`no connection to ${this.options.url}: ${reason}`));
    else this.emit('connection-ended', id);
  }

  received(message) {
    const kind = message && message._meta && message._meta.type;
    if (kind === 'data') this.published(message);
    else if (kind === 'ack') this.requests.reported(message);
    else if (kind === 'system') this.toldBySystem(message);
    else if (Array.isArray(message) || kind) this.requests.answered(message);
  }

  /** With consistency 3 the publisher waits for our word, which goes before the handler runs. */
  published(message) {
    if (message._meta.consistency !== 3) {
      this.subscriptions.deliver(message);
      return;
    }
    this.requests.ask({ action: 'ack', data: message._meta.publicationId }, null, (error) => {
      if (!error) this.subscriptions.deliver(message);
      else this.emit('error', error);
    });
  }

  toldBySystem(message) {
    if (message.eventKey === 'server-side-disconnect') this.emit('session-ended', message.data);
    for (const handler of [...this.systemHandlers.values()]) handler(message.eventKey, message.data);
  }

  // ---- asking

  whenActive(message, options, done) {
    if (this.state === 'active') return this.requests.ask(message, options, done);
    if (this.state === 'away' && message.action === 'off') { // then it is not made again
      setTimeout(done, 0, null, null);
      return 0;
    }
    const why = { new: 'client not initialized yet', connecting: 'client not initialized yet', away: 'client not active', ended: 'client is disconnected' };
    setTimeout(done, 0, new Error(why[this.state]));
    return 0;
  }

  /** @private One verb. */
  carryOut(action, path, data, options, callback) {
    return answer(callback, (tell) => {
      let plain = options;
      try {
        checkPath(path, action === 'set');
        plain = this.takeReport(options);
      } catch (error) {
        setTimeout(tell, 0, error);
        return;
      }
      const eventId = this.whenActive({ action, path, data }, plain || {}, (error, result) => {
        if (error && plain !== options) this.requests.forgetReport(`${this.session && this.session.id}-${eventId}`);
        tell(error, result);
      });
      if (plain !== options && eventId !== 0) {
        const time = options.onPublishedTimeout || CALL_TIMEOUT;
        this.requests.expectReport(`${this.session.id}-${eventId}`, time, options.onPublished);
      }
    });
  }

  /** @private Without the function that hears who got the publication, which cannot travel. */
  takeReport(options) {
    const level = options && options.consistency;
    if ((level !== 1 && level !== 3) || options.noPublish) return options;
    if (typeof options.onPublished !== 'function') throw new Error('onPublish handler in options is missing for consistency level DEFERRED or ACKNOWLEDGED');
    const { onPublished, onPublishedTimeout, ...plain } = options;
    return plain;
  }

  // ---- the verbs

  get(path, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('get', path, null, given, done);
  }

  getPaths(path, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('get', path, null, { ...given, options: { ...(given || {}).options, path_only: true } }, done);
  }

  count(path, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('count', path, null, given, done);
  }

  getCreatedBetween(path, from, to, callback) {
    if (typeof from !== 'number' || typeof to !== 'number' || from > to) {
      return answer(callback, (tell) => setTimeout(tell, 0, new Error('from and to must be numbers (milliseconds), from not after to')));
    }
    const criteria = { '_meta.created': { $gte: from, $lte: to } };
    return this.carryOut('get', path, null, { criteria }, callback);
  }

  set(path, data, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('set', path, data, given, done);
  }

  setSibling(path, data, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('set', path, data, { ...given, set_type: 'sibling' }, done);
  }

  /** increment(path, [gauge], [by], [options], [callback]); increment(path, by) adds to the gauge "counter". */
  increment(path, ...rest) {
    const done = typeof rest[rest.length - 1] === 'function' ? rest.pop() : undefined;
    let [gauge = 'counter', by = 1, options = {}] = rest;
    if (typeof gauge === 'number') [gauge, by] = ['counter', gauge];
    return this.carryOut('set', path, gauge, { ...options, increment: by }, done);
  }

  /** Tells the subscribers, stores nothing, and is not answered with the data. */
  publish(path, data, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('set', path, data, { consistency: 2, ...given, noStore: true, noDataResponse: true }, done);
  }

  remove(path, options, callback) {
    const [given, done] = sort(options, callback);
    return this.carryOut('remove', path, null, given, done);
  }

  /** on(path, [options], handler(data, meta), [callback]): the handle for off; callback(error, handle, initial values). */
  on(path, options, handler, callback) {
    const [given, handle, done] = typeof options === 'function' ? [{}, options, handler] : [options || {}, handler, callback];
    return answer(done, (tell) => {
      try {
        checkPath(path, false);
        if (typeof handle !== 'function') throw new Error('on needs a function that takes (data, meta)');
      } catch (error) {
        setTimeout(tell, 0, error);
        return;
      }
      this.subscriptions.on(path, given, handle, tell);
    });
  }

  once(path, options, handler, callback) {
    return typeof options === 'function' ? this.on(path, { count: 1 }, options, handler) : this.on(path, { ...options, count: 1 }, handler, callback);
  }

  onAll(handler, callback) {
    return this.on('*', {}, handler, callback);
  }

  off(handle, callback) {
    return answer(callback, (tell) => {
      if (typeof handle !== 'number') setTimeout(tell, 0, new Error('handle must be a number'));
      else this.subscriptions.off(handle, tell);
    });
  }

  offPath(path, callback) {
    const [given, done] = typeof path === 'function' ? ['*', path] : [path || '*', callback];
    return answer(done, (tell) => this.subscriptions.offPath(given, tell));
  }

  offAll(callback) {
    return answer(callback, (tell) => this.subscriptions.offAll(tell));
  }

  // ---- what happens to the client

  /** connection-lost (reason), reconnect-scheduled ({attempt, scheduled, reason}), reconnect-successful ({attempt}), reconnect-error (error),
   * session-ended ({reason}), connection-ended (session id), error (error) */
  onEvent(name, handler) {
    if (typeof name !== 'string' || typeof handler !== 'function') throw new Error('onEvent takes the name of an event and a function');
    const id = `${name}|${++this.lastHandler}`;
    if (!this.listeners.has(name)) this.listeners.set(name, new Map());
    this.listeners.get(name).set(id, handler);
    return id;
  }

  offEvent(id) {
    const handlers = this.listeners.get(String(id).split('|')[0]);
    if (handlers) handlers.delete(id);
  }

  emit(name, value) {
    for (const handler of [...(this.listeners.get(name) || new Map()).values()]) handler(value);
  }

  /** handler(key, data): what the server says to all, for example that rights have changed. */
  onSystemMessage(handler) {
    this.systemHandlers.set(++this.lastHandler, handler);
    return this.lastHandler;
  }

  offSystemMessage(id) {
    this.systemHandlers.delete(id);
  }

  // ---- the session

  revokeToken(callback) {
    return answer(callback, (tell) => this.whenActive({ action: 'revoke-token', data: null }, {}, tell));
  }

  changePassword(passwords, callback) {
    return answer(callback, (tell) => this.whenActive({ action: 'change-password', data: passwords }, {}, tell));
  }

  /** The token ends, and with it everybody who uses it. */
  logout(callback) {
    return this.disconnect({ revokeToken: true }, callback);
  }

  disconnect(options, callback) {
    const [given, done] = sort(options, callback);
    return answer(done, (tell) => {
      const close = () => {
        this.state = 'ended';
        this.requests.failAll(new Error('client is disconnected'));
        this.wire.close(() => tell(null));
      };
      const revokes = given && (given.revokeToken || given.revokeSession);
      if (revokes && this.state === 'active') this.requests.ask({ action: 'revoke-token', data: null }, {}, close);
      else close();
    });
  }
}
