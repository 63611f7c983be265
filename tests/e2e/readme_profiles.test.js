// tests/vectors/readme-profiles.json, which unit_security_policy reads, is what happn-3's own README says, literally.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const vectors = JSON.parse(fs.readFileSync(path.join(__dirname, '../vectors/readme-profiles.json'), 'utf8'));

function profilesOf(generation) {
  const readme = fs.readFileSync(path.join(__dirname, 'node_modules', `happn-${generation}`, 'README.md'), 'utf8');
  const start = readme.indexOf('```javascript', readme.indexOf('SECURITY PROFILES')) + '```javascript'.length;
  const context = {};
  vm.runInNewContext(readme.slice(start, readme.indexOf('```', start)), context);
  const profiles = context.serviceConfig.services.security.config.profiles;
  return JSON.parse(JSON.stringify(profiles, (key, value) => (value === Infinity ? 'Infinity' : value)));
}

for (const [generation, version] of [['6', '6.3.2'], ['8', '6.3.2'], ['13', '13.12.1']]) {
  test(`the profiles of happn-3 ${generation}'s README`, () => {
    assert.deepEqual(profilesOf(generation), vectors[version]);
  });
}
