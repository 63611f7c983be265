-- GET /api/notes, GET /api/notes/7, POST /api/notes
---@type happn.Script
return {
  ["GET /"] = function()
    return happn.get("/notes/*")
  end,

  ["GET /{id}"] = function(req)
    local note = happn.get(happn.path("/notes", req.params.id))
    if not note then return 404, { error = "there is no such note" } end
    return note
  end,

  ["POST /"] = function(req)
    local text = req:json().text
    if type(text) ~= "string" or text == "" then happn.fail { name = "ValidationError", message = "a note needs a text", code = 422 } end
    local id = happn.uuid()
    happn.set(happn.path("/notes", id), { text = text, written = happn.now() })
    return 201, { id = id }, { location = req.path .. "/" .. id }
  end,
}
