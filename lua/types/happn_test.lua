---@meta happn.test
-- made by tools/lua-docs from src/script/api.def

---@class happn.test.ServerOptions
---@field layers? { inbound?: (string|table)[], outbound?: (string|table)[] }
---@field routes? (string|table)[]
---@field scripts? (string|table)[]
---@field seed? table<string, any>
---@field secure? boolean
---@field users? table<string, table>
---@field config? table<string, any>

---@class happn.test.ClientOptions : happn.test.ServerOptions
---@field user? string
---@field groups? string[]
---@field permissions? table<string, string[]|table>
---@field password? string

---@class happn.test.Answer
---@field status integer
---@field body any
---@field headers table<string, string>
---@field text string

---`local t = require "happn.test"`
---@class happn.test
local happn_test = {}

---A case; it gets a server of its own.
---@param name string
---@param fn fun()
function happn_test.case(name, fn) end

---The case's server, which is also its own client with all rights.
---@param options? happn.test.ServerOptions
---@return happn.test.Client
function happn_test.server(options) end

---A client; makes the server when there is none yet.
---@param options? happn.test.ClientOptions
---@return happn.test.Client
function happn_test.client(options) end

---A client of a user who is there, or whom a script's login knows.
---@param username string
---@param password? string
---@return happn.test.Client
function happn_test.login(username, password) end

---A request to a route, without a socket.
---@param method string
---@param path string
---@param body? any
---@param headers? table<string, string>
---@return happn.test.Answer
function happn_test.http(method, path, body, headers) end

---Time passes: timers run in order.
---@param duration happn.Duration
function happn_test.advance(duration) end

---Stands in for all other servers that scripts ask by `happn.http`: `fn(request)` returns a value, or status, body and headers. It may wait.
---@param fn function
function happn_test.on_http(fn) end

---Loads the scripts anew, as the server does at a HUP.
function happn_test.reload() end

---The server's time in seconds; every case begins on the first of January 2026.
---@return number
function happn_test.now() end

---Fails when the value is nil or false.
---@param value any
---@param what? string
function happn_test.ok(value, what) end

---Fails when they are not the same JSON; `_meta` counts only when it is expected.
---@param value any
---@param expected any
---@param what? string
function happn_test.equal(value, expected, what) end

---Calls the function, which must fail (with an error of this name); returns the error.
---@param name string|fun()
---@param fn? fun()
---@return any
function happn_test.fails(name, fn) end

---A function that must have been called so often when the case ends.
---@param count integer
---@param fn? function
---@return function
function happn_test.expect(count, fn) end

---What scripts have asked of the store: `{ action, path, data }`, in order.
---@return table[]
function happn_test.calls() end

---What scripts have logged: `{ level, message }`, in order.
---@return table[]
function happn_test.log() end

---A client of a case's server. Its verbs wait for their answer.
---@class happn.test.Client
local happn_test_Client = {}

---The document and its `_meta`; a list for a pattern.
---@param path string
---@param options? happn.Options
---@return any, any
function happn_test_Client:get(path, options) end

---The document as stored and its `_meta`.
---@param path string
---@param data any
---@param options? happn.Options
---@return any, any
function happn_test_Client:set(path, data, options) end

---Tells subscribers and stores nothing.
---@param path string
---@param data any
function happn_test_Client:publish(path, data) end

---How many were removed.
---@param path string
---@param options? happn.Options
---@return integer
function happn_test_Client:remove(path, options) end

---How many there are.
---@param path string
---@param options? happn.Options
---@return integer
function happn_test_Client:count(path, options) end

---The paths that match.
---@param path string
---@return string[]
function happn_test_Client:paths(path) end

---Subscribes; returns what `off` takes.
---@param path string
---@param options happn.Options|fun(data: any, meta: any)
---@param fn? fun(data: any, meta: any)
---@return integer
function happn_test_Client:on(path, options, fn) end

---Ends a subscription, or those of a path.
---@param subscription integer|string
function happn_test_Client:off(subscription) end

---As `t.http`, with the client's token.
---@param method string
---@param path string
---@param body? any
---@param headers? table<string, string>
---@return happn.test.Answer
function happn_test_Client:http(method, path, body, headers) end

---Ends the connection.
function happn_test_Client:disconnect() end

return happn_test
