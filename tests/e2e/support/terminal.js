// A program at a pseudo terminal, with somebody who types and reads. Python's pty makes it.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');

const BRIDGE = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
pty._copy(fd)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

class Terminal {
  constructor(program, args, env = {}) {
    this.out = '';
    this.mark = 0;
    this.child = spawn('python3', ['-c', BRIDGE, program, ...args], { env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env } });
    this.exited = once(this.child, 'exit');
    this.child.stdout.setEncoding('utf8').on('data', (chunk) => { this.out += chunk; });
    this.child.stderr.setEncoding('utf8').on('data', (chunk) => { this.out += chunk; });
  }

  type(text) {
    this.child.stdin.write(text);
  }

  /** What has appeared since the last call, without returns and the sequences that move the cursor, up to this text. */
  async until(text) {
    for (;;) {
      // eslint-disable-next-line no-control-regex
      const plain = this.out.replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|[\x07\r]/g, '');
      const at = plain.indexOf(text, this.mark);
      if (at >= 0) {
        const seen = plain.slice(this.mark, at + text.length);
        this.mark = at + text.length;
        return seen;
      }
      if (this.child.exitCode !== null) throw new Error(`it has ended without ${JSON.stringify(text)}: ${JSON.stringify(plain.slice(this.mark))}`);
      await Promise.race([once(this.child.stdout, 'data'), this.exited]);
    }
  }

  /** Of a test that has failed: nothing shall wait for it. */
  kill() {
    this.child.kill();
    this.child.stdout.destroy();
  }

  async end() {
    const [code] = await this.exited;
    return code;
  }
}

module.exports = { Terminal };
