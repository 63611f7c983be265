---@meta
-- made by tools/lua-docs from src/script/api.def

---@alias happn.Duration string|integer # "100ms", "1.5s", "10m", "2h", "1d", or milliseconds

---@class happn.Options : table # of the store's calls
---@field criteria? table
---@field fields? table
---@field sort? table
---@field limit? integer
---@field skip? integer
---@field merge? boolean
---@field [string] any

---@class happn.HttpOptions
---@field url? string
---@field method? string
---@field headers? table<string, string>
---@field body? any
---@field timeout? happn.Duration
---@field max? integer
---@field redirects? integer

---@class happn.ConfigKey
---@field type? "text"|"number"|"integer"|"boolean"|"table"|"list"|"any"
---@field default? any
---@field required? boolean

---What a script may return: a layer, routes, or neither.
---@class happn.Script
---@field name string? # For the log; its file when there is none.
---@field actions string[]? # Of layers: only these messages. `set get remove on off login describe configure-session disconnect`.
---@field paths string[]? # Of layers: only messages at these paths; `*` is any text.
---@field config table<string, happn.ConfigKey>? # What its entry in the configuration may set.
---@field phase "authorized"|nil # Of inbound layers: `"authorized"` sees only what is permitted.
---@field scope "publication"|nil # Of outbound layers: `"publication"` sees an event once for all its recipients.
---@field inbound (fun(msg: happn.Message, conf: table): any)? # Sees a request before it is carried out.
---@field outbound (fun(msg: happn.Message, conf: table): any)? # Sees a reply or publication before it leaves.
---@field routes table<string, fun(req: happn.Request, conf: table): any>? # Routes by `"GET /{id}"`; they may stand in the table itself, too.
---@field start (fun(conf: table))? # Runs when the server is up.
---@field stop (fun(conf: table))? # Runs before the scripts are replaced or the server stops.
---@field save (fun(): any)? # At a reload: a JSON value for `restore` of the new script.
---@field restore (fun(value: any))? # Gets what `save` of the old script has returned.
---@field on_session (fun(event: string, session: any, conf: table))? # Told of `connect authentic disconnect session-ended login-refused refused`.
---@field on_security (fun(event: string, change: any, conf: table))? # Told when users, groups or permissions change.
---@field login (fun(credentials: table, from: table): string|false|nil)? # Asked for every login: a user's name, nothing for the usual way, false for nobody.
---@field [string] any # routes, by their keys
local happn_Script = {}

---`msg`: a request on its way in, or a reply or publication on its way out.
---@class happn.Message
---@field action string # `set`, `get`, `remove`, `on`, …
---@field path string # The message's path as it came; inbound it can be assigned.
---@field channel string? # Of `on` and `off`: the path with its kind of event, as `/SET@/a/*`.
---@field data any # The document; it can be changed and assigned.
---@field options any # The request's options; inbound they can be assigned.
---@field session happn.Session # Who sent it, or who gets it.
---@field ctx table # Shared by all layers of this one message.
---@field direction "inbound"|"reply"|"publication" # Where it goes.
local happn_Message = {}

---A connection; of a request over HTTP only who sent it.
---@class happn.Session
---@field id string? # Its id.
---@field protocol string # What it speaks; `http` for a request over HTTP.
---@field is_local boolean # It is in this process.
---@field address string? # The client's address.
---@field info any # What the client said about itself.
---@field username string? # On a secured service who has logged in.
---@field groups string[] # On a secured service the user's groups.
---@field state table # Kept as long as the session, for all scripts and over reloads; at most 64 kB of JSON.
local happn_Session = {}

---Is the user in this group?
---@param name string
---@return boolean
function happn_Session:in_group(name) end

---`req`: a request over HTTP.
---@class happn.Request
---@field method string # `GET`, `POST`, …
---@field path string # Without the query.
---@field params table<string, string> # What `{name}` of the route stands for.
---@field query table<string, string> # Of the URL.
---@field headers table<string, string> # By their names in lower case.
---@field cookies table<string, string> # By name.
---@field session happn.Session # Who sent it.
---@field body string? # As it came.
---@field ip string # The client's address.
local happn_Request = {}

---The body as a document; a body that is no JSON is answered with 400.
---@return any
function happn_Request:json() end

---The body as text.
---@return string
function happn_Request:text() end

---Answers in parts: `fn` writes them. Options are `status`, `type`, `headers`, and may be left out.
---@param options table|fun(out: happn.Stream)
---@param fn? fun(out: happn.Stream)
function happn_Request:stream(options, fn) end

---Answers with server-sent events for as long as `fn` runs.
---@param fn fun(out: happn.Events)
function happn_Request:events(fn) end

---The body of an HTML form.
---@return table<string, string>
function happn_Request:form() end

---An answer in parts.
---@class happn.Stream
local happn_Stream = {}

---Sends a text, or anything else as JSON; waits while the client is slow, and raises when it has left.
---@param part any
---@return boolean
function happn_Stream:write(part) end

---An answer of server-sent events.
---@class happn.Events
local happn_Events = {}

---Sends an event; waits while the client is slow, and raises when it has left.
---@param data any
---@param options? { event: string?
---@param id string? }
---@return boolean
function happn_Events:send(data, options, id) end

---Sends a comment, which keeps a connection alive that has nothing to say.
---@param text? string
---@return boolean
function happn_Events:comment(text) end

---A line that clients ignore: keeps a quiet connection alive.
---@param text? string
---@return boolean
function happn_Events:comment(text) end

---What `happn.metric` returns.
---@class happn.Metric
local happn_Metric = {}

---Adds to it, one when nothing is said.
---@param by? number
---@return number
function happn_Metric:inc(by) end

---Sets it.
---@param value number
---@return number
function happn_Metric:set(value) end

---What it is.
---@return number
function happn_Metric:get() end

---What `happn.every` and `happn.after` return.
---@class happn.Timer
local happn_Timer = {}

---Ends it.
function happn_Timer:stop() end

---What `happn.on` returns.
---@class happn.Listener
local happn_Listener = {}

---Ends it.
function happn_Listener:off() end

---The answer of another server.
---@class happn.HttpAnswer
---@field status integer # 200, …
---@field headers table<string, string> # By their names in lower case.
---@field body string # As it came.
local happn_HttpAnswer = {}

---The body as a document.
---@return any
function happn_HttpAnswer:json() end

---@class happn
happn = { json = {}, log = {}, system = {}, shared = {}, http = {} }

---Refuses the message, or answers the request with an error: `fail(name, text, fields)`, `fail(text)` or `fail{ name=, message=, code= }`. Does not return.
---@param name string|table
---@param text? string
---@param fields? table
function happn.fail(name, text, fields) end

---`return happn.reply(value)` in an inbound layer answers now and skips the rest.
---@param value any
---@return any
function happn.reply(value) end

---`return happn.drop()` in an outbound layer: this recipient does not get the publication.
---@return any
function happn.drop() end

---Joins parts to a path and refuses those that are empty or contain `/` or `*`. For everything that comes from outside.
---@param base string
---@param ... string
---@return string
function happn.path(base, ...) end

---Marks a table as a list: an empty one is `[]` then, and not `{}`.
---@param list? table
---@return table
function happn.array(list) end

---A plain copy: nothing in it is lazy, and null is `happn.null`.
---@param document any
---@return any
function happn.table(document) end

---Is the value `happn.null`; or, with a key, is the document's member there and null.
---@param value any
---@param key? string|integer
---@return boolean
function happn.is_null(value, key) end

---JSON's null. Reading one gives nil; `doc.x = happn.null` stores one, `doc.x = nil` removes the member.
---@type userdata
happn.null = nil

---The value as JSON text.
---@param value any
---@return string
function happn.json.encode(value) end

---Plain tables of JSON text.
---@param text string
---@return any
function happn.json.decode(text) end

---Seconds since 1970.
---@return number
function happn.now() end

---A random UUID.
---@return string
function happn.uuid() end

---Would the value be written as a JSON list?
---@param value any
---@return boolean
function happn.is_list(value) end

---Does the pattern mean the path? `*` is any text, as in a layer's `paths`.
---@param pattern string
---@param path string
---@return boolean
function happn.matches(pattern, path) end

---SHA-256, in hexadecimal digits.
---@param text string
---@return string
function happn.hash(text) end

---HMAC-SHA-256, in hexadecimal digits.
---@param key string
---@param text string
---@return string
function happn.hmac(key, text) end

---What the configuration gives the script, without defaults: for use while it is loaded. Functions get `conf`.
---@type table
happn.config = nil

---Writes a line to the log, with the script's name and line.
---@param ... any
function happn.log.error(...) end

---The same, as a warning.
---@param ... any
function happn.log.warn(...) end

---The same, for information.
---@param ... any
function happn.log.info(...) end

---The same, for whoever looks for something.
---@param ... any
function happn.log.debug(...) end

---The document at the path, a list for a pattern, or nil. Waits.
---@param path string
---@param options? happn.Options
---@return any
function happn.get(path, options) end

---How many documents a get would find. Waits.
---@param path string
---@param options? happn.Options
---@return integer
function happn.count(path, options) end

---The paths that match. Waits.
---@param path string
---@return string[]
function happn.paths(path) end

---Stores the document and tells subscribers; returns it as stored. Waits.
---@param path string
---@param data any
---@param options? happn.Options
---@return any
function happn.set(path, data, options) end

---Stores the document at a new path below this one. Waits.
---@param path string
---@param data any
---@param options? happn.Options
---@return any
function happn.set_sibling(path, data, options) end

---Tells subscribers and stores nothing. Waits.
---@param path string
---@param data any
---@param options? happn.Options
function happn.publish(path, data, options) end

---Removes the document, or those of a pattern; returns how many. Waits.
---@param path string
---@param options? happn.Options
---@return integer
function happn.remove(path, options) end

---As `happn.get`, with all rights: for scripts whose entry says `"trusted": true`.
---@param path string
---@param options? happn.Options
---@return any
function happn.system.get(path, options) end

---As `happn.count`, with all rights.
---@param path string
---@param options? happn.Options
---@return integer
function happn.system.count(path, options) end

---As `happn.paths`, with all rights.
---@param path string
---@return string[]
function happn.system.paths(path) end

---As `happn.set`, with all rights.
---@param path string
---@param data any
---@param options? happn.Options
---@return any
function happn.system.set(path, data, options) end

---As `happn.set_sibling`, with all rights.
---@param path string
---@param data any
---@param options? happn.Options
---@return any
function happn.system.set_sibling(path, data, options) end

---As `happn.publish`, with all rights.
---@param path string
---@param data any
---@param options? happn.Options
function happn.system.publish(path, data, options) end

---As `happn.remove`, with all rights.
---@param path string
---@param options? happn.Options
---@return integer
function happn.system.remove(path, options) end

---Waits.
---@param duration happn.Duration
function happn.sleep(duration) end

---Runs the functions at the same time and returns the first result of each, in order. The first error ends the others and is raised.
---@param ... fun(): any
---@return any
function happn.together(...) end

---Runs `fn(...)` afterwards, for the same caller.
---@param fn function
---@param ... any
function happn.spawn(fn, ...) end

---Runs the function once, later.
---@param duration happn.Duration
---@param fn function
---@return happn.Timer
function happn.after(duration, fn) end

---While a script is loaded: runs the function again and again, never twice at the same time.
---@param duration happn.Duration
---@param fn function
---@return happn.Timer
function happn.every(duration, fn) end

---While a script is loaded: calls the function for every event at the path, one after the other. Options are `action` (`"set"`, `"remove"`) and `depth`, and may be left out.
---@param path string
---@param options table|fun(data: any, meta: any)
---@param fn? fun(data: any, meta: any)
---@return happn.Listener
function happn.on(path, options, fn) end

---A value that all scripts share. It survives a reload and ends with the process.
---@param name string
---@return any
function happn.shared.get(name) end

---Sets it; nil removes it.
---@param name string
---@param value any
---@param ttl? happn.Duration
function happn.shared.set(name, value, ttl) end

---Adds to a number and returns it.
---@param name string
---@param by? number
---@param ttl? happn.Duration
---@return number
function happn.shared.incr(name, by, ttl) end

---Lets it end by itself; false when it is not there.
---@param name string
---@param ttl happn.Duration
---@return boolean
function happn.shared.expire(name, ttl) end

---A number that is shown by `happn scripts` and the statistics; it survives a reload.
---@param name string
---@return happn.Metric
function happn.metric(name) end

---Asks another server. Waits.
---@param url string
---@param options? happn.HttpOptions
---@return happn.HttpAnswer
function happn.http.get(url, options) end

---Sends a body, a table as JSON. Waits.
---@param url string
---@param body any
---@param options? happn.HttpOptions
---@return happn.HttpAnswer
function happn.http.post(url, body, options) end

---The general form. Waits.
---@param options happn.HttpOptions
---@return happn.HttpAnswer
function happn.http.request(options) end
