-- The scripts of lua/happn, as their users configure them. happn test lua/tests
local t = require "happn.test"

local function inbound(file, config, more)
  local entry = { script = "happn/" .. file, config = config }
  for k, v in pairs(more or {}) do entry[k] = v end
  return { inbound = { entry } }
end

t.case("validate: a document that does not fit is refused, with the place", function()
  local c = t.client { layers = inbound("validate.lua", { schemas = { ["/s/*"] = { type = "object", required = { "value" }, properties = { value = { type = "number", maximum = 9 } } } } }) }
  local e = t.fails("ValidationError", function() c:set("/s/1", { value = 10 }) end)
  t.equal(e.message, "/value must be at most 9")
  t.fails("ValidationError", function() c:set("/s/1", {}) end)
  t.equal(c:set("/s/1", { value = 3 }), { value = 3 })
  t.equal(c:set("/s/1", { more = true }, { merge = true }), { value = 3, more = true })
end)

t.case("limit: so many in a window, for each user; a new window begins anew", function()
  local c = t.client { layers = inbound("limit.lua", { per = "user", most = 2, window = "1m", actions = { "set" } }), user = "ann" }
  local other = t.client { user = "bob" }
  for n = 1, 2 do c:set("/a", { n = n }) end
  t.fails("RateLimited", function() c:set("/a", { n = 3 }) end)
  other:set("/a", { n = 4 })
  t.advance("61s")
  c:set("/a", { n = 5 })
end)

t.case("redact: fields leave only for members of a group", function()
  local layers = { outbound = { { script = "happn/redact.lua", config = { fields = { ["/people/*"] = { salary = { "hr" }, ["home.street"] = { "post" } } } } } } }
  local hr = t.client { layers = layers, user = "ann", groups = { "hr" } }
  local guest = t.client { user = "bob", groups = { "guests" } }
  hr:on("/people/*", t.expect(1, function(p) t.equal(p, { name = "x", salary = 5, home = { town = "t" } }) end))
  guest:on("/people/*", t.expect(1, function(p) t.equal(p, { name = "x", home = { town = "t" } }) end))
  hr:set("/people/1", { name = "x", salary = 5, home = { street = "s", town = "t" } })
  t.equal(hr:get("/people/1").salary, 5)
  t.equal(guest:get("/people/1").salary, nil)
end)

t.case("audit: who did what is kept, and nobody's own document", function()
  local c = t.client { layers = inbound("audit.lua", { paths = { "/orders/*" }, data = true }, { trusted = true }), user = "ann" }
  c:set("/orders/1", { n = 1 })
  c:set("/other", { n = 1 })
  c:remove("/orders/1")
  local kept = c:get("/audit/*")
  t.equal(#kept, 2)
  for _, entry in ipairs(kept) do
    t.equal(entry.user, "ann")
    t.equal(entry.path, "/orders/1")
    if entry.action == "set" then t.equal(entry.data, { n = 1 }) end
  end
end)

t.case("requests: a line for each", function()
  local c = t.client { layers = inbound("requests.lua", { actions = { "set" }, level = "warn" }) }
  c:set("/a", { n = 1 })
  c:get("/a")
  local lines = t.log()
  t.equal(#lines, 1)
  t.equal(lines[1].level, "warn")
  t.ok(lines[1].message:find("set /a user=-", 1, true), lines[1].message)
end)

t.case("webhook: in order, signed, again after a failure", function()
  local s = t.server { scripts = { { script = "happn/webhook.lua", config = { url = "https://other/hook", paths = { "/orders/*" }, secret = "key" } } } }
  local got, fails = {}, 1
  t.on_http(function(request)
    if fails > 0 then fails = fails - 1 return 500, {} end
    got[#got + 1] = request
    return 204
  end)
  s:set("/orders/1", { n = 1 })
  s:set("/orders/2", { n = 2 })
  t.advance("1m")
  t.equal(#got, 2)
  t.ok(got[1].body:find('"/orders/1"', 1, true) and got[2].body:find('"/orders/2"', 1, true))
  t.equal(#got[1].headers["x-happn-signature"], 64)
end)

t.case("cors: pages of the named origins, and no others", function()
  t.server { routes = { { script = "cors_route.lua", mount = "/" } } }
  local answer = t.http("GET", "/a", nil, { origin = "https://app" })
  t.equal(answer.headers["access-control-allow-origin"], "https://app")
  t.equal(answer.body, { ok = true })
  t.equal(t.http("GET", "/a", nil, { origin = "https://bad" }).headers["access-control-allow-origin"], nil)
  t.equal(t.http("OPTIONS", "/a", nil, { origin = "https://app" }).status, 204)
end)
