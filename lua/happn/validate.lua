-- A layer that refuses documents that do not fit the schema of their path.
--   { "script": "happn/validate.lua", "config": { "schemas": { "/sensors/*": { "type": "object", "required": ["value"] } } } }
-- A merge is checked as it was sent, without `required`: what is missing may be there already.
local schema = require "happn.schema"

local checks = {}

local function without_required(s)
  if type(s) ~= "table" then return s end
  local copy = {}
  for k, v in pairs(s) do if k ~= "required" and k ~= "minProperties" then copy[k] = v end end
  return copy
end

for pattern, s in pairs(happn.config.schemas or {}) do
  local ok, whole = pcall(schema.compile, s)
  if not ok then error("the schema of " .. pattern .. ": " .. tostring(whole), 0) end
  checks[#checks + 1] = { pattern = pattern, whole = whole, part = schema.compile(without_required(s)) }
end

return {
  name = "validate",
  actions = { "set" },
  config = { schemas = { type = "table", required = true } },
  inbound = function(msg)
    for _, check in ipairs(checks) do
      if happn.matches(check.pattern, msg.path or "") then
        local where, why = (msg.options.merge and check.part or check.whole)(msg.data)
        if where then
          happn.fail("ValidationError", (where == "" and "the document" or where) .. " " .. why, { path = msg.path, at = where })
        end
      end
    end
  end,
}
