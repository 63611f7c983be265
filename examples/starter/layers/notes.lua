-- Every note passes here before it is stored.
---@type happn.Script
local M = {
  name = "notes",
  actions = { "set" },
  paths = { "/notes/*" },
  config = { longest = { type = "integer", default = 500 } },
}

---@param msg happn.Message
function M.inbound(msg, conf)
  local text = msg.data.text
  if type(text) ~= "string" or text == "" then
    happn.fail("ValidationError", "a note needs a text", { field = "text" })
  end
  if utf8.len(text) > conf.longest then
    happn.fail("ValidationError", "a note has at most " .. conf.longest .. " characters", { field = "text" })
  end
  msg.data.written = happn.now()
end

return M
