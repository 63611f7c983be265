'use strict';
// Administration under the names of happn-3: service.services.security.users.upsertUser(user, [options], [callback]), and so on. The same for a
// client that is logged in as an administrator: client.security.users.upsertUser(...).

/** Users and groups are given by their name, or as they were got. */
const named = (thing, member) => (thing !== null && typeof thing === 'object' ? thing[member] : thing);

/** (verb, what the function's arguments mean): the function, with a callback as its last argument or a promise. */
function verb(ask, name, toArguments) {
  return (...given) => {
    const callback = typeof given[given.length - 1] === 'function' ? given.pop() : undefined;
    return ask(name, () => toArguments(...given), callback);
  };
}

/** What happn-3's options for lists have: criteria and count, and the store's options beside or below. */
const search = (options) => ({ ...options, ...(options && options.options) });

function users(ask) {
  const permission = (username, path, action, authorized) => ({ username: named(username, 'username'), path, action, authorized });
  return {
    upsertUser: verb(ask, 'upsertUser', (user, options) => ({ ...options, user })),
    deleteUser: verb(ask, 'deleteUser', (user) => ({ username: named(user, 'username') })),
    getUser: verb(ask, 'getUser', (username, options) => ({ ...options, username })),
    listUsers: verb(ask, 'listUsers', (name, options) => ({ ...search(options), name })),
    listUsersByGroup: verb(ask, 'listUsersByGroup', (group, options) => ({ ...search(options), group: named(group, 'name') })),
    listUserNamesByGroup: verb(ask, 'listUserNamesByGroup', (group) => ({ group: named(group, 'name') })),
    getGroupMemberships: verb(ask, 'getGroupMemberships', (username) => ({ username: named(username, 'username') })),
    userBelongsToGroups: verb(ask, 'userBelongsToGroups', (username, groups) => ({ username: named(username, 'username'), groups })),
    resetPassword: verb(ask, 'resetPassword', (username, password, options) => ({ ...options, username: named(username, 'username'), password })),
    upsertPermission: verb(ask, 'upsertPermission', permission),
    removePermission: verb(ask, 'removePermission', permission),
    listPermissions: verb(ask, 'listPermissions', (username) => ({ username: named(username, 'username') })),
    upsertPermissions: verb(ask, 'upsertUser', (user) => ({ user: { username: user.username, permissions: user.permissions } })),
  };
}

function groups(ask) {
  const permission = (group, path, action, authorized) => ({ group: named(group, 'name'), path, action, authorized });
  return {
    upsertGroup: verb(ask, 'upsertGroup', (group, options) => ({ ...options, group })),
    deleteGroup: verb(ask, 'deleteGroup', (group) => ({ name: named(group, 'name') })),
    getGroup: verb(ask, 'getGroup', (name) => ({ name })),
    listGroups: verb(ask, 'listGroups', (name, options) => ({ ...search(options), name })),
    linkGroup: verb(ask, 'linkGroup', (group, user, options) => ({ group: named(group, 'name'), username: named(user, 'username'), data: options && options.data })),
    unlinkGroup: verb(ask, 'unlinkGroup', (group, user) => ({ group: named(group, 'name'), username: named(user, 'username') })),
    upsertPermission: verb(ask, 'upsertPermission', permission),
    removePermission: verb(ask, 'removePermission', permission),
    listPermissions: verb(ask, 'listPermissions', (group) => ({ group: named(group, 'name') })),
  };
}

function lookupTables(ask) {
  return {
    upsertLookupTable: verb(ask, 'upsertLookupTable', (table) => ({ table })),
    deleteLookupTable: verb(ask, 'deleteLookupTable', (name) => ({ name })),
    fetchLookupTable: verb(ask, 'fetchLookupTable', (name) => ({ name })),
    insertPath: verb(ask, 'insertPath', (table, path) => ({ table, path })),
    removePath: verb(ask, 'removePath', (table, path) => ({ table, path })),
    upsertLookupPermission: verb(ask, 'upsertLookupPermission', (group, permission) => ({ group: named(group, 'name'), permission })),
    removeLookupPermission: verb(ask, 'removeLookupPermission', (group, permission) => ({ group: named(group, 'name'), permission })),
    removeAllTablePermission: verb(ask, 'removeAllTablePermission', (group, table) => ({ group: named(group, 'name'), table })),
    fetchLookupPermissions: verb(ask, 'fetchLookupPermissions', (group) => ({ group: named(group, 'name') })),
  };
}

/** Sessions are given by their id, or as they were got. */
function sessions(ask) {
  const anonymous = (group) => ({ group: named(group, 'name'), username: '_ANONYMOUS' });
  return {
    listActiveSessions: verb(ask, 'listActiveSessions', (filter) => (filter ? { criteria: filter } : {})),
    disconnectSession: verb(ask, 'disconnectSession', (session, reason) => ({ id: named(session, 'id'), reason })),
    revokeSession: verb(ask, 'revokeSession', (session, reason) => ({ id: named(session, 'id'), reason })),
    revokeToken: verb(ask, 'revokeToken', (token, reason) => ({ token, reason })),
    restoreToken: verb(ask, 'restoreToken', (token) => ({ token })),
    listRevokedTokens: verb(ask, 'listRevokedTokens', (filter) => (filter ? { criteria: filter } : {})),
    linkAnonymousGroup: verb(ask, 'linkGroup', anonymous),
    unlinkAnonymousGroup: verb(ask, 'unlinkGroup', anonymous),
  };
}

/** ask(verb, makeArguments, callback) does what an administrator does. `call(verb, arguments, [callback])` is any verb of docs/security.md. */
module.exports = function security(ask) {
  return {
    users: users(ask),
    groups: groups(ask),
    lookupTables: lookupTables(ask),
    ...sessions(ask),
    call: (name, args, callback) => ask(name, () => args || {}, callback),
  };
};
