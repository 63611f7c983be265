// A real happn-3 server of a generation in a process of its own, in memory: original_server.js GENERATION [CONFIG]. Says its port; ends with its input.
'use strict';
const [generation, more] = process.argv.slice(2);
const happn = require(`happn-${generation}`);

async function start() {
  for (;;) { // these servers cannot choose a free port themselves
    const port = 20000 + Math.floor(Math.random() * 30000);
    try {
      const service = await happn.service.create({ port, utils: { logLevel: 'off' }, ...JSON.parse(more || '{}') });
      return { port, service };
    } catch (error) {
      if (!/in use|EADDRINUSE|timeout/i.test(error.message)) throw error;
    }
  }
}

start().then(({ port }) => {
  process.stdout.write(`port ${port}\n`);
  process.stdin.resume().on('end', () => process.exit(0));
}, (error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
