-- Nobody outside sees a member named `secret`.
local M = {
  name = "tidy",
}

function M.outbound(msg)
  local data = msg.data
  if type(data) == "userdata" and data.secret ~= nil then
    data.secret = nil
  end
end

return M
