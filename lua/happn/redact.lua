-- An outbound layer that takes fields out of what leaves, unless the recipient is in one of the groups named.
--   { "script": "happn/redact.lua", "config": { "fields": { "/people/*": { "salary": ["hr"], "address.street": ["hr", "post"], "hash": [] } } } }
-- A field of an empty list leaves for nobody. The administrator sees all.
local rules = {}

local function split(name)
  local parts = {}
  for part in name:gmatch("[^.]+") do parts[#parts + 1] = part end
  return parts
end

for pattern, fields in pairs(happn.config.fields or {}) do
  for name, groups in pairs(fields) do
    rules[#rules + 1] = { pattern = pattern, parts = split(name), groups = groups }
  end
end

local function may_see(who, groups)
  if who.username == "_ADMIN" or who:in_group("_ADMIN") then return true end
  for _, group in ipairs(groups) do if who:in_group(group) then return true end end
  return false
end

local function take_out(data, parts)
  for i = 1, #parts - 1 do
    data = data[parts[i]]
    if type(data) ~= "userdata" and type(data) ~= "table" then return end
  end
  if data[parts[#parts]] ~= nil then data[parts[#parts]] = nil end
end

return {
  name = "redact",
  config = { fields = { type = "table", required = true } },
  outbound = function(msg)
    for _, rule in ipairs(rules) do
      if msg.path and happn.matches(rule.pattern, msg.path) and not may_see(msg.recipient, rule.groups) then take_out(msg.data, rule.parts) end
    end
  end,
}
