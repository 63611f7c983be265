local t = require "happn.test"

local layers = { inbound = { { script = "layers/notes.lua", config = { longest = 20 } } } }
local routes = { { script = "routes/notes.lua", mount = "/api/notes" } }

t.case("a note is stored with its time, and told", function()
  local c = t.client { layers = layers }
  c:on("/notes/*", t.expect(1, function(note) t.equal(note.text, "milk") end))
  c:set("/notes/1", { text = "milk" })
  t.equal(c:get("/notes/1"), { text = "milk", written = t.now() })
end)

t.case("a note without a text, or with a long one, is refused", function()
  local c = t.client { layers = layers }
  t.fails("ValidationError", function() c:set("/notes/1", {}) end)
  t.fails("ValidationError", function() c:set("/notes/1", { text = ("long "):rep(5) }) end)
  t.equal(c:count("/notes/*"), 0)
end)

t.case("notes over HTTP", function()
  t.server { routes = routes }
  local made = t.http("POST", "/api/notes", { text = "bread" })
  t.equal(made.status, 201)
  t.equal(t.http("GET", made.headers.location).body.text, "bread")
  t.equal(#t.http("GET", "/api/notes").body, 1)
  t.equal(t.http("GET", "/api/notes/none").status, 404)
  t.equal(t.http("POST", "/api/notes", {}).status, 422)
end)
