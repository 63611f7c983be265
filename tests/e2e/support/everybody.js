// For files of tests in which clients of every generation, and peers that speak every protocol word by word, meet on one server.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Server } = require('./server');
const { Client } = require('./clients');
const { Peer } = require('./peer');

const generations = ['1', '6', '8', '13'];
const protocols = [null, 'happn_1.3.0', 'happn_2', 'happn_3', 'happn_4']; // null: it never says which one it speaks
const numberOf = (protocol) => (protocol === null ? 1 : Number(/_(\d)/.exec(protocol)[1]));
const same = (actual, expected, text) => assert.deepEqual(JSON.parse(JSON.stringify(actual)), expected, text);
const strip = ({ _meta, ...rest }) => rest;

/** The file's server, and who comes to it; all of them leave when its tests are over. */
const house = {
  open: [],
  async connect(generation, options) {
    const client = await Client.connect(generation, house.server.port, options);
    house.open.push(client);
    return client;
  },
  async speak(protocol, port = house.server.port) {
    const peer = await Peer.open(port, protocol);
    house.open.push(peer);
    return peer;
  },
};

/** Called once by a file of tests. */
function openHouse() {
  test.before(async () => { house.server = await Server.start(); });
  test.after(async () => {
    for (const each of house.open) await (each instanceof Peer ? each.close() : each.disconnect());
    await house.server.stop();
  });
  return house;
}

module.exports = { generations, protocols, numberOf, same, strip, openHouse };
