-- A layer that logs requests: one line each, with who, what and where.
--   { "script": "happn/requests.lua", "config": { "actions": ["set", "remove"], "paths": ["*"], "level": "info" } }
local conf = happn.config
local level = conf.level or "info"
if not happn.log[level] then error("level must be error, warn, info or debug, not " .. tostring(level), 0) end
local actions = {}
for _, action in ipairs(conf.actions or { "set", "get", "remove", "on", "off", "login" }) do actions[action] = true end

local function concerns(path)
  for _, pattern in ipairs(conf.paths or { "*" }) do if happn.matches(pattern, path or "") then return true end end
  return false
end

return {
  name = "requests",
  config = { actions = { type = "list" }, paths = { type = "list" }, level = { type = "text" } },
  inbound = function(msg)
    if actions[msg.action] and concerns(msg.path) then
      happn.log[level](msg.action, msg.path or "-", "user=" .. (msg.session.username or "-"), "session=" .. msg.session.id, "address=" .. (msg.session.address or "-"))
    end
  end,
}
