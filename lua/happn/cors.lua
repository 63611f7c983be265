-- For routes that pages of other sites may ask: local cors = require "happn.cors"; return cors.wrap(routes, { origins = { "https://app.example.org" } })
-- Adds the headers to every answer, and an OPTIONS route for each path. `origins = { "*" }` stands for all, then without credentials.
local M = {}

local function allows(options, origin)
  for _, allowed in ipairs(options.origins or { "*" }) do
    if allowed == "*" or allowed == origin then return allowed end
  end
end

local function add(headers, options, origin)
  local allowed = origin and allows(options, origin)
  headers.vary = "Origin"
  if not allowed then return headers end
  headers["access-control-allow-origin"] = allowed == "*" and "*" or origin
  if allowed ~= "*" and options.credentials then headers["access-control-allow-credentials"] = "true" end
  return headers
end

local function finish(options, origin, a, b, c, ...)
  if math.type(a) == "integer" then return a, b, add(c or {}, options, origin) end
  if a == nil then return 204, nil, add({}, options, origin) end
  return 200, a, add({}, options, origin)
end

local function wrap_one(run, options)
  return function(req, ...)
    return finish(options, req.headers.origin, run(req, ...))
  end
end

local function preflight(options, methods)
  return function(req)
    local headers = add({}, options, req.headers.origin)
    headers["access-control-allow-methods"] = table.concat(methods, ", ")
    headers["access-control-allow-headers"] = table.concat(options.headers or { "authorization", "content-type" }, ", ")
    headers["access-control-max-age"] = tostring(options.max_age or 600)
    return 204, nil, headers
  end
end

function M.wrap(routes, options)
  options = options or {}
  local wrapped, methods = {}, {}
  for key, route in pairs(routes) do
    local method, path = tostring(key):match("^(%u+) (/.*)$")
    if method then
      methods[path] = methods[path] or {}
      table.insert(methods[path], method)
      if type(route) == "function" then
        wrapped[key] = wrap_one(route, options)
      else
        wrapped[key] = { public = route.public, run = wrap_one(route.run, options) }
      end
    else
      wrapped[key] = route
    end
  end
  for path, list in pairs(methods) do
    if not wrapped["OPTIONS " .. path] then wrapped["OPTIONS " .. path] = { public = true, run = preflight(options, list) } end
  end
  return wrapped
end

return M
