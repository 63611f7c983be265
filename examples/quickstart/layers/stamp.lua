-- Stamps every document that is set, and refuses those that are not welcome.
-- Change a line while the server runs, then: pkill -HUP -x happn
local M = {
  name = "stamp",
  actions = { "set" },
}

function M.inbound(msg)
  local data = msg.data
  if type(data) ~= "userdata" then
    return -- a plain number or text: nothing to stamp
  end
  if data.forbidden then
    happn.fail("ValidationError", "documents with a member `forbidden` are not welcome", { field = "forbidden" })
  end
  data.stamped = "by layers/stamp.lua"
end

return M
