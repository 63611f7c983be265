// Heartbeats of both kinds, with short intervals.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const net = require('node:net');
const WebSocket = require('ws');
const { Server } = require('./support/server');

function open(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primus`);
  return new Promise((resolve, reject) => socket.on('open', () => resolve(socket)).on('error', reject));
}
const closed = (socket) => new Promise((resolve) => socket.on('close', resolve));
const message = (socket, pattern) => new Promise((resolve) => socket.on('message', (data) => {
  if (pattern.test(data.toString())) resolve(data.toString());
}));

test('protocol 2: pings are answered, a silent client is dropped with 1000', async () => {
  const server = await Server.start(['--set', 'services.transport.config.silenceMs=400']);
  const socket = await open(server.port);
  socket.send('{"action":"configure-session","eventId":1,"data":{"protocol":"happn_2"}}');
  const pong = message(socket, /primus::pong::17/);
  socket.send('"primus::ping::17"');
  await pong;
  assert.equal(await closed(socket), 1000);
  await server.stop();
});

test('who neither speaks nor goes is cut off, also when nobody else is there', async () => {
  const server = await Server.start(['--set', 'services.transport.config.silenceMs=400']);
  const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true }, () => {
    socket.write('GET /primus HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  });
  await new Promise((resolve) => socket.on('end', resolve).on('error', resolve).resume());
  socket.destroy();
  await server.stop();
});

test('protocol 4: the server pings, who answers stays, who does not is dropped', async () => {
  const server = await Server.start(['--set', 'services.transport.config.pingMs=200']);
  const good = await open(server.port);
  const bad = await open(server.port);
  let pings = 0;
  const stays = new Promise((resolve) => good.on('message', (data) => {
    const ping = /primus::ping::(\d+)/.exec(data.toString());
    if (ping) {
      good.send(`"primus::pong::${ping[1]}"`);
      if (++pings === 6) resolve();
    }
  }));
  for (const socket of [good, bad]) socket.send('{"action":"configure-session","eventId":1,"data":{"protocol":"happn_4"}}');
  const dropped = closed(bad);
  await Promise.all([stays, dropped]);
  assert.equal(good.readyState, WebSocket.OPEN);
  good.terminate();
  await server.stop();
});
