// happn-3's own clients, with promises in front where a generation has none.
'use strict';
const generations = { 1: 'happn-1', 6: 'happn-6', 8: 'happn-8', 13: 'happn-13' };

function call(fn) {
  return new Promise((resolve, reject) => fn((error, result) => (error ? reject(error) : resolve(result))));
}

class Client {
  static async connect(generation, port, options = {}) {
    const happn = require(generations[generation]);
    const self = new Client();
    self.generation = Number(generation);
    const settings = { config: { host: '127.0.0.1', port, ...options }, host: '127.0.0.1', port, ...options };
    self.inner = await call((done) => happn.client.create(settings, done));
    return self;
  }
  set(path, data, options = {}) {
    return call((done) => this.inner.set(path, data, options, done));
  }
  get(path, options = {}) {
    return call((done) => this.inner.get(path, options, done));
  }
  getPaths(path) {
    return call((done) => this.inner.getPaths(path, done));
  }
  remove(path, options = {}) {
    return call((done) => this.inner.remove(path, options, done));
  }
  on(path, options, handler) {
    return call((done) => this.inner.on(path, options, handler, done));
  }
  off(handle) {
    return call((done) => this.inner.off(handle, done));
  }
  offPath(path) {
    return call((done) => this.inner.offPath(path, done));
  }
  offAll() {
    return call((done) => this.inner.offAll(done));
  }
  disconnect(options = {}) {
    return call((done) => this.inner.disconnect(options, done));
  }
}

/** Collects events; next() waits for one. */
class Events {
  constructor() {
    this.items = [];
    this.waiting = [];
    this.handler = (data, meta) => {
      const item = { data, meta };
      if (this.waiting.length) this.waiting.shift()(item);
      else this.items.push(item);
    };
  }
  next() {
    if (this.items.length) return Promise.resolve(this.items.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

module.exports = { Client, Events };
