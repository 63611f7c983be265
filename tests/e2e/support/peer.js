// A connection that speaks one protocol by hand, and keeps whatever it is told in the order in which it came.
'use strict';
const WebSocket = require('ws');

const metaOf = (message) => (Array.isArray(message) ? message[message.length - 1] : message._meta) || {}; // of a list the last element

class Peer {
  /** protocol null: one that never configures its session. */
  static async open(port, protocol) {
    const peer = new Peer();
    peer.socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
    Object.assign(peer, { heard: [], waiting: [], last: 0 });
    peer.socket.on('message', (text) => peer.take(JSON.parse(text)));
    await new Promise((resolve, reject) => peer.socket.on('open', resolve).on('error', reject));
    if (protocol !== null) await peer.ask({ action: 'configure-session', data: { protocol } });
    peer.heard = [];
    return peer;
  }
  take(message) {
    if (typeof message === 'string') return; // the transport's own
    this.heard.push(message);
    this.waiting = this.waiting.filter((look) => !look(message));
  }
  /** Resolves with the first message, heard already or still to come, that is like this. */
  until(test) {
    const found = this.heard.find(test);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      this.waiting.push((message) => {
        if (test(message)) resolve(message);
        return test(message);
      });
    });
  }
  /** Resolves with the answer, an error too. */
  ask(message) {
    const eventId = ++this.last;
    this.socket.send(JSON.stringify({ ...message, eventId }));
    return this.until((each) => metaOf(each).eventId === eventId && metaOf(each).type === 'response');
  }
  close() {
    this.socket.terminate();
  }
}

module.exports = { Peer, metaOf };
