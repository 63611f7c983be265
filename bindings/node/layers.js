'use strict';
// Layers of a service in JavaScript: functions that see what comes in before it is carried out.

const NEXT = 0; // happn/layer.h
const FAIL = 1;
const REPLY = 2;
const HOOK = 3; // happn/mailbox.h

/** What a layer throws that refuses; happn-3's call back with any error instead. */
class Refused extends Error {
  constructor(message, { name = 'Refused', code } = {}) {
    super(message);
    this.name = name;
    if (code !== undefined) this.code = code;
  }
}

class Reply {
  constructor(value) {
    this.value = value;
  }
}

/** What somebody asks for. `data` may be changed or replaced; everything else is to be read. */
class Message {
  #body;
  #before;
  #data;

  constructor(meta, body) {
    this.action = meta.action;
    this.path = meta.path;
    this.options = meta.options;
    this.sessionId = meta.session.id;
    this.session = { id: meta.session.id, user: meta.session.username ? { username: meta.session.username } : null };
    this.#body = body;
  }

  get data() {
    if (this.#before === undefined) {
      this.#data = JSON.parse(this.#body);
      this.#before = JSON.stringify(this.#data);
    }
    return this.#data;
  }

  set data(value) {
    this.#before = null; // which no value is as text
    this.#data = value;
  }

  /** Where happn-3's layers find all of it. */
  get raw() {
    return this;
  }

  /** @private The data as text when it is not what has come: who only looks at it changes no number in it. */
  changed() {
    if (this.#before === undefined) return null;
    const text = JSON.stringify(this.#data);
    if (text === undefined) throw new TypeError('a layer has left data that is no JSON');
    return text === this.#before ? null : text;
  }
}

/** A function with two arguments is one of happn-3: it calls back with (error, message), and the caller hears of the error. */
function run(fn, message) {
  if (fn.length < 2) return fn(message);
  return new Promise((resolve, reject) => fn(message, (error, result) => {
    if (error) reject(error instanceof Refused ? error : new Refused(error.message || String(error), { name: error.name, code: error.code }));
    else resolve(result);
  }));
}

/** What is completed: [verdict, text]. */
function decided(message, result) {
  if (result instanceof Reply) {
    const text = JSON.stringify(result.value);
    return [REPLY, text === undefined ? 'null' : text];
  }
  if (result !== undefined && result !== null && result !== message) {
    throw new TypeError('a layer gave something else than nothing, its message or happn.reply(...)');
  }
  return [NEXT, message.changed()];
}

/** Who asked hears of a refusal as it was meant, and nothing of a mistake, which is told here. */
function refused(error, report) {
  if (error instanceof Refused) {
    const code = typeof error.code === 'number' ? error.code : 0;
    return [FAIL, JSON.stringify({ name: error.name, message: error.message, code })];
  }
  report(error);
  return [FAIL, JSON.stringify({ name: 'LayerError', message: 'a layer of the server failed' })];
}

/** The handler of a layer's ticket. */
function layer(fn, { complete, report }) {
  return async (kind, meta, body) => {
    if (kind !== HOOK) return;
    const given = JSON.parse(meta);
    const message = new Message(given, body);
    let verdict;
    try {
      verdict = decided(message, await run(fn, message));
    } catch (error) {
      verdict = refused(error, report);
    }
    complete(given.token, ...verdict);
  };
}

const known = ['actions', 'path', 'timeout', 'onTimeout', 'maxPending'];

/** Our options as the mailbox's. */
function optionsText(options = {}) {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`a layer has no option "${name}"`);
  }
  const { actions, path, timeout, onTimeout, maxPending } = options;
  return JSON.stringify({ actions, path, deadline: timeout, onDeadline: onTimeout, maxPending });
}

/** Takes the functions out of a configuration: [the rest, [{ fn, options }]]. */
function fromConfig(config) {
  const protocol = config && config.services && config.services.protocol && config.services.protocol.config;
  const has = (list) => Array.isArray(list) && list.some((item) => typeof item === 'function');
  if (protocol && has(protocol.outboundLayers)) {
    throw new TypeError('outboundLayers: what goes out cannot wait for JavaScript; a script in Lua can change it');
  }
  if (!protocol || !has(protocol.inboundLayers)) return [config, []];
  const list = protocol.inboundLayers;
  const count = list.findIndex((item) => typeof item !== 'function');
  const functions = count < 0 ? list : list.slice(0, count);
  const scripts = list.slice(functions.length);
  if (has(scripts)) throw new TypeError('inboundLayers: functions stand in front of scripts; service.addLayer adds one behind them');
  const services = { ...config.services, protocol: { ...config.services.protocol, config: { ...protocol, inboundLayers: scripts } } };
  return [{ ...config, services }, functions.map((fn) => ({ fn }))];
}

module.exports = { Message, layer, optionsText, fromConfig, reply: (value) => new Reply(value), Refused };
