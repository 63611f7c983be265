// Questions and answers: each request has a number, and waits for the reply that repeats it, or for its time to be over.

class Requests {
  constructor(send, session, timeout) {
    this.send = send;
    this.session = session; // gives the id of the session, as far as it is known
    this.timeout = timeout;
    this.last = 0;
    this.pending = new Map();
    this.reports = new Map(); // by the publication's id
  }

  /** Calls done(error, data, message). */
  ask(message, options, done) {
    const eventId = ++this.last;
    const time = (options && options.timeout) || this.timeout;
    const where = message.path === undefined ? '' : ` path: ${message.path} action: ${message.action}`;
    const timer = setTimeout(() => {
      this.pending.delete(eventId);
      done(new Error(`api request timed out${where}`));
    }, time);
    this.pending.set(eventId, { done, timer });
    const request = { action: message.action, eventId };
    if (message.path !== undefined) request.path = message.path;
    if (message.data !== undefined) request.data = message.data;
    if (this.session()) request.sessionId = this.session();
    if (options) request.options = { ...options, timeout: time };
    try {
      this.send(request);
    } catch (error) { // what JSON cannot say, for example
      this.finish(eventId, [error]);
    }
    return eventId;
  }

  finish(eventId, result) {
    const pending = this.pending.get(eventId);
    if (!pending) return; // too late
    this.pending.delete(eventId);
    clearTimeout(pending.timer);
    pending.done(...result);
  }

  answered(message) {
    if (Array.isArray(message)) {
      const meta = message.pop();
      this.finish(meta.eventId, meta.status === 'error' ? [errorOf(meta.error)] : [null, message, { _meta: meta }]);
      return;
    }
    const meta = message._meta;
    if (meta.status === 'error') {
      this.finish(meta.eventId, [errorOf(meta.error)]);
    } else {
      this.finish(meta.eventId, [null, withMeta(message), message]);
    }
  }

  /** Somebody wants to hear who got a publication of consistency 1 or 3. */
  expectReport(id, time, told) {
    const timer = setTimeout(() => {
      this.reports.delete(id);
      told(new Error('publish timed out'));
    }, time);
    this.reports.set(id, { told, timer });
  }

  forgetReport(id) {
    const report = this.reports.get(id);
    if (report) clearTimeout(report.timer);
    this.reports.delete(id);
    return report;
  }

  reported(message) {
    const report = this.forgetReport(message.id);
    if (!report) return;
    const error = message.status === 'error' ? errorOf(message.error) : null;
    report.told(error, { ...message.result });
  }

  /** The connection is gone: nothing will be answered any more. */
  failAll(error) {
    for (const eventId of [...this.pending.keys()]) this.finish(eventId, [error]);
    for (const id of [...this.reports.keys()]) this.forgetReport(id).told(error);
  }
}

function errorOf(said) {
  const error = new Error(typeof said === 'string' ? said : (said && said.message) || 'the request failed');
  return Object.assign(error, typeof said === 'object' && said !== null ? said : {});
}

/** The original's form: the data with `_meta` attached; null stays null; a reply without data (paths of one document) is handed over whole. */
function withMeta(message) {
  const { data } = message;
  if (data === undefined) return message;
  if (data !== null && typeof data === 'object' && !Array.isArray(data)) data._meta = message._meta;
  return data;
}
