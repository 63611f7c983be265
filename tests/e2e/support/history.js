// Judges what listeners heard. Every write of a path carries the number of that path's writer: for each path 1, 2, 3, ...
// A listener's record of one time of being connected: { initial: { path: n } or null, events: [{ path, n }], missed: false }.
'use strict';

/** Returns what is wrong, as texts; nothing when all is well. last: { path: n }, what every listener that stays must have heard. */
function judge(record, last) {
  const wrong = [];
  const heard = new Map(Object.entries(record.initial || {}));
  const started = new Set(heard.keys());
  for (const { path, n } of record.events) {
    const before = heard.get(path);
    if (before === undefined) {
      if (record.initial && n !== 1) wrong.push(`${path}: the values that were there had nothing, then came ${n}`);
    } else if (n <= before) {
      wrong.push(`${path}: ${n} came after ${before}${n === before ? ', twice' : ''}`);
    } else if (n !== before + 1) {
      wrong.push(`${path}: ${before + 1} is missing, ${n} came after ${before}`);
    }
    heard.set(path, n);
    started.add(path);
  }
  for (const [path, n] of Object.entries(last || {})) {
    if (heard.get(path) !== n) wrong.push(`${path}: the last one is ${heard.get(path)}, ${n} was written`);
  }
  return wrong;
}

/** Numbers that look random and are the same for the same seed. */
function random(seed) {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

module.exports = { judge, random };
