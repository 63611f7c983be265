export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export interface Meta { path?: string; action?: string; channel?: string; created?: number; modified?: number; [key: string]: unknown }
export type Callback<T> = (error: HappnError | null, result?: T) => void;
export interface Options { timeout?: number; [key: string]: unknown }
/** Who got a publication. */
export interface Published { successful: number; failed: number; skipped: number; queued: number; acknowledged?: number }
export interface PublishOptions extends Options {
  consistency?: 0 | 1 | 2 | 3;
  /** Of consistency 1 and 3: called once after the answer, unless that was an error. */
  onPublished?: (error: HappnError | null, result?: Published) => void;
}
export interface SetOptions extends PublishOptions { merge?: boolean; noStore?: boolean; noPublish?: boolean }
export interface OnOptions extends Options {
  event_type?: 'set' | 'remove' | 'all'; count?: number; initialCallback?: boolean; initialEmit?: boolean; merge?: boolean;
}
export interface ConnectOptions {
  url?: string; host?: string; port?: number; username?: string; password?: string; info?: { [key: string]: Json };
  /** Instead of a password. */
  token?: string;
  /** A Cookie header with a token in it, of the name `cookieName` (happn_token). */
  cookie?: string; cookieName?: string;
  /** With `username`: the server's nonce is signed. secp256k1 in base64 or RSA in PEM; the public key only when the server has it in other words. */
  privateKey?: string; publicKey?: string; keyPair?: { privateKey: string; publicKey?: string };
  /** Several servers, of which one is used at a time; poolType 0: in this order, 1 (default): in any. */
  pool?: (string | { host?: string; port?: number; url?: string; secure?: boolean })[]; poolType?: 0 | 1; poolReconnectAttempts?: number;
  ca?: string; insecure?: boolean; timeout?: number; connectTimeout?: number; maxMessage?: number;
  /** A lost connection is made again, with its subscriptions. */
  reconnect?: boolean; reconnectMin?: number; reconnectMax?: number; reconnectAttempts?: number;
}

export class HappnError extends Error {
  /** The number of the C library, below 0. */
  status: number;
  /** What the server said (403, ...), or the name of the status. */
  code: number | string;
  [key: string]: unknown;
}

type Done<T> = Promise<T>;
/** A name, or what was got under it. */
type Named = string | { [key: string]: any };
/** criteria, sort, skip, limit, count. */
type Search = { criteria?: object; sort?: object; skip?: number; limit?: number; count?: boolean; [key: string]: unknown };

export interface Users {
  upsertUser(user: { [key: string]: any }, options?: { overwrite?: boolean }): Done<any>;
  deleteUser(user: Named): Done<any>;
  getUser(username: string, options?: { includeGroups?: boolean }): Done<any>;
  listUsers(name: string, options?: Search): Done<any>;
  listUsersByGroup(group: Named, options?: Search): Done<any>;
  listUserNamesByGroup(group: Named): Done<string[]>;
  getGroupMemberships(user: Named): Done<any[]>;
  userBelongsToGroups(user: Named, groups: string[]): Done<boolean>;
  resetPassword(user: Named, password: string, options?: { endSessions?: boolean }): Done<any>;
  upsertPermission(user: Named, path: string, action: string, authorized?: boolean): Done<any>;
  upsertPermissions(user: { username: string; permissions: object }): Done<any>;
  removePermission(user: Named, path: string, action: string): Done<any>;
  listPermissions(user: Named): Done<any[]>;
}
export interface Groups {
  upsertGroup(group: { [key: string]: any }, options?: { parent?: Named; overwrite?: boolean }): Done<any>;
  deleteGroup(group: Named): Done<any>;
  getGroup(name: string): Done<any>;
  listGroups(name: string, options?: Search): Done<any>;
  linkGroup(group: Named, user: Named, options?: { data?: object }): Done<any>;
  unlinkGroup(group: Named, user: Named): Done<any>;
  upsertPermission(group: Named, path: string, action: string, authorized?: boolean): Done<any>;
  removePermission(group: Named, path: string, action: string): Done<any>;
  listPermissions(group: Named): Done<any[]>;
}
export interface LookupTables {
  upsertLookupTable(table: { name: string; paths: string[] }): Done<any>;
  deleteLookupTable(name: string): Done<any>;
  fetchLookupTable(name: string): Done<{ name: string; paths: string[] }>;
  insertPath(table: string, path: string): Done<any>;
  removePath(table: string, path: string): Done<any>;
  upsertLookupPermission(group: Named, permission: object): Done<any>;
  removeLookupPermission(group: Named, permission: object): Done<any>;
  removeAllTablePermission(group: Named, table: string): Done<any>;
  fetchLookupPermissions(group: Named): Done<any>;
}
/** What administrators do. Every function also takes a callback as its last argument, and gives nothing then. */
export interface Security {
  users: Users; groups: Groups; lookupTables: LookupTables;
  listActiveSessions(filter?: object): Done<any[]>;
  disconnectSession(session: Named, reason?: string): Done<any>;
  revokeSession(session: Named, reason?: string): Done<any>;
  revokeToken(token: string, reason?: string): Done<any>;
  restoreToken(token: string): Done<any>;
  listRevokedTokens(filter?: object): Done<any[]>;
  linkAnonymousGroup(group: Named): Done<any>;
  unlinkAnonymousGroup(group: Named): Done<any>;
  /** Any verb of docs/security.md. */
  call(verb: string, args?: object): Done<any>;
}

export type Handler = (data: any, meta: Meta) => void;

export interface Client {
  /** The answer to the login: id, and on a secured server user and token. */
  session: { id: string; user?: any; token?: string; [key: string]: any };
  security: Security;
  /** happn-3's numbers: 0 not connected yet, 1 active, 2 disconnected, 4 reconnecting. */
  status: 0 | 1 | 2 | 4;
  changePassword(passwords: { oldPassword: string; newPassword: string }): Promise<void>;
  changePassword(passwords: { oldPassword: string; newPassword: string }, callback: Callback<void>): void;
  /** Ends this login's token, and with it every session that was opened with it. */
  revokeToken(): Promise<void>;
  revokeToken(callback: Callback<void>): void;
  set(path: string, data: unknown, options?: SetOptions): Promise<any>;
  set(path: string, data: unknown, callback: Callback<any>): void;
  set(path: string, data: unknown, options: SetOptions, callback: Callback<any>): void;
  get(path: string, options?: Options): Promise<any>;
  get(path: string, callback: Callback<any>): void;
  get(path: string, options: Options, callback: Callback<any>): void;
  count(path: string, options?: object): Promise<{ value: number; _meta: Meta }>;
  count(path: string, options: object, callback: Callback<{ value: number; _meta: Meta }>): void;
  increment(path: string, gauge?: string, by?: number, options?: object): Promise<{ value: number; gauge: string; _meta: Meta }>;
  setSibling(path: string, data: unknown, options?: object): Promise<any>;
  publish(path: string, data: unknown, options?: object): Promise<any>;
  /** From and to in milliseconds, both included. */
  getCreatedBetween(path: string, from: number, to: number): Promise<any[]>;
  getCreatedBetween(path: string, from: number, to: number, callback: Callback<any[]>): void;
  getPaths(path: string): Promise<{ _meta: Meta }[]>;
  getPaths(path: string, callback: Callback<{ _meta: Meta }[]>): void;
  remove(path: string, options?: PublishOptions): Promise<any>;
  remove(path: string, callback: Callback<any>): void;
  remove(path: string, options: PublishOptions, callback: Callback<any>): void;
  /** Gives the handle for off. */
  on(path: string, handler: Handler): Promise<number>;
  on(path: string, options: OnOptions, handler: Handler): Promise<number>;
  on(path: string, handler: Handler, callback: Callback<number>): void;
  on(path: string, options: OnOptions, handler: Handler, callback: (error: HappnError | null, handle?: number, initial?: any[]) => void): void;
  /** For one event. */
  once(path: string, handler: Handler): Promise<number>;
  once(path: string, options: OnOptions, handler: Handler, callback?: Callback<number>): Promise<number>;
  /** For everything that happens. */
  onAll(handler: Handler): Promise<number>;
  onAll(handler: Handler, callback: Callback<number>): void;
  off(handle: number): Promise<void>;
  off(handle: number, callback: Callback<void>): void;
  offPath(pattern: string): Promise<void>;
  offPath(pattern: string, callback: Callback<void>): void;
  offAll(): Promise<void>;
  offAll(callback: Callback<void>): void;
  onEvent(name: 'connection-ended' | 'connection-lost', handler: (reason: string) => void): unknown;
  onEvent(name: 'reconnect-scheduled', handler: (next: { attempt: number; scheduled: number; reason: string }) => void): unknown;
  onEvent(name: 'reconnect-successful', handler: (done: { attempt: number }) => void): unknown;
  /** With `reconnect` and `initialCallback`, before 'reconnect-successful': what is there now. */
  onEvent(name: 'initial-values', handler: (told: { handle: number; path: string; values: any[] }) => void): unknown;
  offEvent(name: string, handler: unknown): void;
  disconnect(options?: { revokeToken?: boolean }): Promise<void>;
  disconnect(callback: Callback<void>): void;
}

/** What somebody asks for. Only `data` can be changed. */
export interface Message {
  readonly action: string; readonly path: string; readonly options: any; data: any;
  readonly sessionId: string; readonly session: { id: string; user: { username: string } | null };
  /** Where happn-3's layers find all of it. */
  readonly raw: Message;
}
export class Reply { private constructor(); value: unknown }
type Decided = void | null | Message | Reply;
/** One argument: returns or promises what is decided; throws Refused. Two: happn-3's, which call back. */
export type Layer = ((message: Message) => Decided | Promise<Decided>) | ((message: Message, callback: (error?: any, message?: Message | Reply) => void) => void);
export interface LayerOptions {
  actions?: string | string[]; path?: string | string[];
  /** Milliseconds (10000), and what becomes of a message that waits for longer. */
  timeout?: number; onTimeout?: 'refuse' | 'next';
  /** More that wait are refused (1000). */
  maxPending?: number;
}
export class Refused extends Error {
  constructor(message: string, more?: { name?: string; code?: number });
  code?: number;
}

export interface Service extends NodeJS.EventEmitter {
  /** The port it listens on, 0 when it does not. */
  port: number;
  client(): Promise<Client>;
  client(callback: Callback<Client>): void;
  services: {
    security: Security;
    session: {
      localClient(login?: { username?: string; password?: string; token?: string; info?: object }): Promise<Client>;
      localClient(login: object, callback: Callback<Client>): void;
      localAdminClient(): Promise<Client>;
      localAdminClient(callback: Callback<Client>): void;
      disconnectSession(session: Named, ...rest: any[]): Promise<any>;
    };
  };
  addLayer(fn: Layer, options?: LayerOptions): Promise<void>;
  addLayer(fn: Layer, options: LayerOptions, callback: Callback<void>): void;
  /** A layer threw something else than Refused; without a listener it is a warning of the process. */
  on(event: 'layer-error', listener: (error: unknown) => void): this;
  on(event: string, listener: (...args: any[]) => void): this;
  reload(): Promise<void>;
  reload(callback: Callback<void>): void;
  /** reconnect: false tells the clients not to come back. */
  stop(options?: { reconnect?: boolean }): Promise<void>;
  stop(callback: Callback<void>): void;
}

export const version: string;
export function reply(value: unknown): Reply;
export function connect(options: string | ConnectOptions): Promise<Client>;
export const service: {
  create(config?: object): Promise<Service>;
  create(config: object, callback: Callback<Service>): void;
  create(callback: Callback<Service>): void;
};
export const client: {
  create(options?: ConnectOptions): Promise<Client>;
  create(options: ConnectOptions, callback: Callback<Client>): void;
  create(callback: Callback<Client>): void;
};
