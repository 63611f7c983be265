-- A layer that keeps who changed what: a document below `into` for every permitted set and remove.
--   { "script": "happn/audit.lua", "trusted": true, "config": { "paths": ["/orders/*"], "into": "/audit", "data": true } }
-- Trusted, because nobody else should be able to write there. Without data only the fact is kept.
local conf = happn.config

local function concerns(path)
  for _, pattern in ipairs(conf.paths or { "*" }) do if happn.matches(pattern, path) then return true end end
  return false
end

return {
  name = "audit",
  phase = "authorized",
  actions = { "set", "remove" },
  config = { paths = { type = "list" }, into = { type = "text", default = "/audit" }, data = { type = "boolean", default = false } },
  inbound = function(msg, c)
    if not msg.path or not concerns(msg.path) or happn.matches(c.into .. "/*", msg.path) then return end
    happn.system.set_sibling(c.into, {
      action = msg.action, path = msg.path, user = msg.session.username, session = msg.session.id, address = msg.session.address,
      at = math.floor(happn.now() * 1000), data = c.data and msg.action == "set" and happn.table(msg.data) or nil,
    })
  end,
}
