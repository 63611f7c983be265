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

export type Handler = (data: any, meta: Meta) => void;

export interface Client {
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
  disconnect(): Promise<void>;
  disconnect(callback: Callback<void>): void;
}

export interface Service extends NodeJS.EventEmitter {
  /** The port it listens on, 0 when it does not. */
  port: number;
  client(): Promise<Client>;
  client(callback: Callback<Client>): void;
  reload(): Promise<void>;
  reload(callback: Callback<void>): void;
  /** reconnect: false tells the clients not to come back. */
  stop(options?: { reconnect?: boolean }): Promise<void>;
  stop(callback: Callback<void>): void;
}

export const version: string;
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
