-- A layer that limits how often something is done: per session, user, address or path, or for all together.
--   { "script": "happn/limit.lua", "config": { "per": "user", "most": 100, "window": "1m", "paths": ["/uploads/*"], "actions": ["set"] } }
-- What is over the limit is refused with the name RateLimited and the code 429, until the window has ended.
local conf = happn.config
local per = conf.per or "session"
local window = conf.window or "1m"
local name = conf.name or per
local actions = {}
for _, action in ipairs(conf.actions or { "set", "get", "remove", "on" }) do actions[action] = true end

local keys = {
  session = function(msg) return msg.session.id end,
  user = function(msg) return msg.session.username or msg.session.id end,
  address = function(msg) return msg.session.address or "local" end,
  path = function(msg) return msg.path or "" end,
  all = function() return "" end,
}
if not keys[per] then error("per must be session, user, address, path or all, not " .. tostring(per), 0) end

local function concerns(path)
  if not conf.paths then return true end
  for _, pattern in ipairs(conf.paths) do if happn.matches(pattern, path or "") then return true end end
  return false
end

return {
  name = "limit",
  config = {
    per = { type = "text" }, most = { type = "integer", required = true }, window = { type = "text" }, name = { type = "text" },
    paths = { type = "list" }, actions = { type = "list" },
  },
  inbound = function(msg, c)
    if not actions[msg.action] or not concerns(msg.path) then return end
    local key = "limit:" .. name .. ":" .. happn.hash(keys[per](msg))
    if happn.shared.incr(key, 1, window) > c.most then
      happn.fail("RateLimited", ("more than %d in %s"):format(c.most, window), { code = 429 })
    end
  end,
}
