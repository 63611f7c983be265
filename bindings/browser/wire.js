// One connection to a server: a WebSocket, Primus' words on it, and the waiting between attempts. Knows nothing of requests.

// The original's pace: half a second at first, doubled with some chance in it, three minutes at most.
const FIRST_WAIT = 500;
const LONGEST_WAIT = 180000;
// A server of protocol 4 says something every half minute.
const SILENCE = 45000;

function waitBefore(attempt) {
  if (attempt === 1) return FIRST_WAIT;
  return Math.min(Math.round((1 + Math.random()) * FIRST_WAIT * 2 ** (attempt - 1)), LONGEST_WAIT);
}

/** Events: open(), message(value), lost(reason), wait({attempt, scheduled}), closed(reason). */
class Wire {
  constructor(url, options, on) {
    this.url = url;
    this.options = options;
    this.on = on;
    this.attempt = 0;
    this.isOpen = false;
    this.wasOpen = false;
    this.isOver = false; // nobody wants it any more, or the server said that it is final
    this.again = () => this.connect();
    if (typeof addEventListener === 'function') addEventListener('online', this.onOnline = () => this.hurry());
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isOver || this.socket) return;
    const { WebSocket: Socket, connectTimeout } = this.options;
    const socket = this.socket = new Socket(this.url);
    const alone = (run) => (event) => { if (this.socket === socket) run(event); };
    this.timer = setTimeout(() => { socket.close(); this.ended(socket, 'connection timed out'); }, connectTimeout);
    socket.onopen = alone(() => this.opened());
    socket.onmessage = alone((event) => this.received(event.data));
    socket.onerror = alone((event) => { this.why = (event && event.message) || 'connection failed'; });
    socket.onclose = alone(() => this.ended(socket, this.why || 'connection closed'));
  }

  opened() {
    clearTimeout(this.timer);
    this.isOpen = this.wasOpen = true;
    this.heard();
    this.on.open();
  }

  heard() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.timer = setTimeout(() => { socket.close(); this.ended(socket, 'nothing was heard of the server'); }, SILENCE);
  }

  received(text) {
    this.heard();
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return; // not of this protocol
    }
    if (typeof value !== 'string') {
      this.on.message(value);
    } else if (value.startsWith('primus::ping::')) {
      this.send(`primus::pong::${value.slice('primus::ping::'.length)}`);
    } else if (value === 'primus::server::close') {
      this.isOver = true;
    }
  }

  send(value) {
    this.socket.send(JSON.stringify(value));
  }

  ended(socket, reason) {
    if (this.socket !== socket) return;
    clearTimeout(this.timer);
    this.socket = null;
    this.why = undefined;
    const wasOpen = this.isOpen;
    this.isOpen = false;
    if (this.isOver || !this.wasOpen) { // a first attempt that fails is told, not repeated
      this.over();
      this.on.closed(reason);
      return;
    }
    if (wasOpen) this.on.lost(reason);
    this.schedule(reason);
  }

  schedule(reason) {
    if (this.isOver || this.socket) return;
    this.attempt += 1;
    const scheduled = waitBefore(this.attempt);
    this.timer = setTimeout(this.again, scheduled);
    this.on.wait({ attempt: this.attempt, scheduled, reason });
  }

  /** The browser is online again: no need to wait. */
  hurry() {
    if (!this.socket && this.attempt !== 0 && !this.isOver) this.connect();
  }

  /** Everything works again. */
  settled() {
    this.attempt = 0;
  }

  /** This connection is of no use, another one may be. */
  drop(reason) {
    const socket = this.socket;
    if (!socket) return;
    socket.close();
    this.ended(socket, reason);
  }

  over() {
    this.isOver = true;
    clearTimeout(this.timer);
    if (this.onOnline) removeEventListener('online', this.onOnline);
  }

  /** Calls done when the socket is closed. */
  close(done) {
    const socket = this.socket;
    this.over();
    this.isOpen = false;
    this.socket = null;
    if (!socket) {
      done();
      return;
    }
    socket.onclose = () => done();
    socket.close();
  }
}
