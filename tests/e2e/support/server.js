// A real happn server in a process of its own.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const readline = require('node:readline');

const program = process.env.HAPPN_PROGRAM || `${__dirname}/../../../build/asan/happn`;

class Server {
  /** Starts and resolves when it listens. args: of `happn serve`; options.fileBlocks: no file may be longer, in units of 512 bytes. */
  static async start(args = [], options = {}) {
    const server = new Server();
    server.fileBlocks = options.fileBlocks;
    server.args = ['serve', '--host', '127.0.0.1', '--port', String(options.port || 0), ...args];
    await server.launch();
    return server;
  }

  async launch() {
    this.log = [];
    const limited = ['-c', 'ulimit -f "$1"; shift; exec "$@"', 'sh', String(this.fileBlocks), program, ...this.args];
    const [command, args] = this.fileBlocks ? ['sh', limited] : [program, this.args];
    this.child = spawn(command, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    this.exited = once(this.child, 'exit');
    this.waiters = [];
    const lines = readline.createInterface({ input: this.child.stderr });
    this.drained = once(lines, 'close');
    lines.on('line', (line) => {
      this.log.push(line);
      this.waiters = this.waiters.filter((waiter) => !waiter(line));
    });
    const listening = this.line(/listening on port (\d+)/);
    const match = await Promise.race([listening, this.drained.then(() => null)]);
    if (match === null) {
      throw new Error(`the server did not start:\n${this.log.join('\n')}`);
    }
    this.port = Number(match[1]);
  }

  /** Resolves with the match of the next line that is like this, or of an earlier one. */
  line(pattern) {
    for (const line of this.log) {
      const match = pattern.exec(line);
      if (match) return Promise.resolve(match);
    }
    return this.nextLine(pattern);
  }

  nextLine(pattern) {
    return new Promise((resolve) => {
      this.waiters.push((line) => {
        const match = pattern.exec(line);
        if (match) resolve(match);
        return match !== null;
      });
    });
  }

  /** Ends it; fails when it did not end well (a sanitizer's report, a crash). */
  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    const [code] = await this.exited;
    await this.drained;
    if (signal === 'SIGTERM' && code !== 0) {
      throw new Error(`the server ended with ${code}:\n${this.log.join('\n')}`);
    }
  }
}

/** A port that nobody listens on. */
async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Sends bytes, resolves with everything that came until the connection ended. */
function raw(server, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (data) => { got += data; });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

module.exports = { Server, freePort, program, raw };
