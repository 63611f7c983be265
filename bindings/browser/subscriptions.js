// Who wants which events. The server sends one message for a channel ("/SET@/a/*", exactly as it was subscribed) however many
// handlers it has here, and names the channel in it.

class Subscriptions {
  constructor(ask, depth) {
    this.ask = ask;
    this.depth = depth; // of `**` when nobody says otherwise
    this.last = 0;
    this.byHandle = new Map();
    this.byChannel = new Map();
  }

  /** done(error, handle, initial values) */
  on(path, options, handler, done) {
    const type = options.event_type || 'all';
    const subscription = {
      handle: ++this.last,
      channel: `/${type.toUpperCase()}@${path}`,
      options: { ...options, event_type: type, count: options.count || 0 },
      handler,
      left: options.count || 0,
      isReady: !(options.initialEmit || options.initialCallback), // events come after the initial values
      depth: path.endsWith('/**') ? options.depth || this.depth : 0,
    };
    if (subscription.depth) subscription.options.depth = subscription.depth;
    this.keep(subscription);
    this.make(this.ask, subscription, subscription.options, (error, initial) => {
      if (error) {
        this.forget(subscription);
        done(error);
        return;
      }
      this.begin(subscription, initial, done);
    });
  }

  begin(subscription, initial, done) {
    subscription.isReady = true;
    if (!subscription.options.initialEmit) {
      done(null, subscription.handle, initial);
      return;
    }
    this.tellInitial(subscription, initial);
    done(null, subscription.handle);
  }

  /** They use up nothing of a count. */
  tellInitial(subscription, initial) {
    for (const item of initial) {
      const { _meta, ...data } = item;
      if (this.wants(subscription, _meta)) this.call(subscription, data, _meta);
    }
  }

  make(ask, subscription, options, done) {
    ask({ action: 'on', path: subscription.channel, data: null }, options, (error, data, message) => {
      if (error) {
        done(error);
        return;
      }
      subscription.reference = message._meta.referenceId || (data && data.id);
      done(null, Array.isArray(data) ? data : []);
    });
  }

  keep(subscription) {
    this.byHandle.set(subscription.handle, subscription);
    if (!this.byChannel.has(subscription.channel)) this.byChannel.set(subscription.channel, new Set());
    this.byChannel.get(subscription.channel).add(subscription);
  }

  forget(subscription) {
    const channel = this.byChannel.get(subscription.channel);
    this.byHandle.delete(subscription.handle);
    if (channel) channel.delete(subscription);
    if (channel && channel.size === 0) this.byChannel.delete(subscription.channel);
  }

  wants(subscription, meta) {
    const isThere = subscription.isReady && this.byHandle.has(subscription.handle);
    return isThere && !(subscription.depth && meta.depth > subscription.depth);
  }

  hand(subscription, data, meta) {
    if (!this.wants(subscription, meta)) return;
    if (subscription.left !== 0 && --subscription.left === 0) this.end(subscription, () => {});
    this.call(subscription, data, meta);
  }

  call(subscription, data, meta) {
    try {
      subscription.handler(data, meta);
    } catch (error) { // a handler that fails is not to silence the others
      setTimeout(() => { throw error; });
    }
  }

  /** Each handler gets an object of its own: what one changes is not what the next one sees. */
  deliver(message) {
    const meta = message._meta;
    const all = [...(this.byChannel.get(meta.channel) || [])];
    const text = all.length > 1 ? JSON.stringify([message.data, meta]) : null;
    all.forEach((subscription, index) => {
      const [data, own] = index === 0 ? [message.data, meta] : JSON.parse(text);
      this.hand(subscription, data, own);
    });
  }

  end(subscription, done) {
    this.forget(subscription);
    const options = { referenceId: subscription.reference || 0 };
    this.ask({ action: 'off', path: subscription.channel, data: null }, options, (error) => done(error));
  }

  /** An unknown handle is nothing to complain about, as in the original. */
  off(handle, done) {
    const subscription = this.byHandle.get(handle);
    if (subscription) this.end(subscription, done);
    else done(null);
  }

  offPath(path, done) {
    const all = [...this.byHandle.values()].filter(({ channel }) => channel.slice(channel.indexOf('@') + 1) === path);
    let waiting = all.length;
    let failure = null;
    if (waiting === 0) done(null);
    for (const subscription of all) {
      this.end(subscription, (error) => {
        failure = failure || error;
        if (--waiting === 0) done(failure);
      });
    }
  }

  offAll(done) {
    this.byHandle.clear();
    this.byChannel.clear();
    this.ask({ action: 'off', path: '*', data: null }, { referenceId: 0 }, (error) => done(error));
  }

  /** On a new connection: all of them again, but for what is used up of a count. Nobody knows what changed meanwhile, so initial values are told
   * again: by the handler, or to tell({ handle, path, values }) when they were the callback's. */
  again(ask, tell, done) {
    const all = [...this.byHandle.values()];
    let waiting = all.length;
    let failure = null;
    if (waiting === 0) done(null);
    for (const subscription of all) {
      const { initialEmit, initialCallback } = subscription.options;
      subscription.reference = undefined;
      subscription.isReady = !(initialEmit || initialCallback);
      this.make(ask, subscription, { ...subscription.options, count: subscription.left }, (error, initial) => {
        subscription.isReady = true;
        if (!error && initialEmit) this.tellInitial(subscription, initial);
        if (!error && initialCallback && this.byHandle.has(subscription.handle)) {
          tell({ handle: subscription.handle, path: subscription.channel.slice(subscription.channel.indexOf('@') + 1), values: initial });
        }
        failure = failure || error;
        if (--waiting === 0) done(failure);
      });
    }
  }
}
