-- The recipes of docs/lua-cookbook.md, each as it stands there.
local t = require "happn.test"

local function inbound(file, config) return { inbound = { { script = file, config = config } } } end
local function trusted(file) return { scripts = { { script = file, trusted = true } } } end

t.case("1 stamp", function()
  local c = t.client { layers = inbound "layers/stamp.lua", user = "ann" }
  t.equal(c:set("/notes/1", { text = "x" }), { text = "x", by = "ann", at = t.now() })
end)

t.case("2 defaults", function()
  local c = t.client { layers = inbound "layers/defaults.lua" }
  t.equal(c:set("/tickets/1", { priority = 1 }), { priority = 1, state = "open" })
end)

t.case("3 read-only", function()
  local c = t.client { layers = inbound "layers/read_only.lua", user = "ann" }
  t.fails("ReadOnly", function() c:set("/prices/apple", { n = 1 }) end)
  local buyer = t.client { user = "bob", groups = { "buyers" } }
  t.equal(buyer:set("/prices/apple", { n = 1 }), { n = 1 })
end)

t.case("4 a place of one's own", function()
  local ann = t.client { layers = inbound "layers/mine.lua", user = "ann" }
  local bob = t.client { user = "bob" }
  ann:set("/mine/note", { text = "ann's" })
  t.equal(bob:get("/mine/note"), nil)
  t.equal(ann:get("/mine/note").text, "ann's")
  t.equal(ann:get("/users/ann/note").text, "ann's")
end)

t.case("5 an answer without a store", function()
  local c = t.client { layers = inbound "layers/time.lua" }
  t.equal(c:get("/time").now, t.now())
end)

t.case("6 history", function()
  local c = t.client { layers = inbound "layers/history.lua" }
  for n = 1, 13 do c:set("/pages/a", { n = n }) end
  local versions = c:get("/history/pages/a").versions
  t.equal(#versions, 10)
  t.equal(versions[1].n, 12)
end)

t.case("7 states", function()
  local c = t.client { layers = inbound "layers/states.lua" }
  t.fails("BadState", function() c:set("/cases/1", { state = "closed" }) end)
  c:set("/cases/1", { state = "open" })
  c:set("/cases/1", { state = "closed" })
  t.equal(t.fails("BadState", function() c:set("/cases/1", { state = "open" }) end).message, "from closed to open does not go")
end)

t.case("8 rounded", function()
  local c = t.client { layers = { outbound = { "layers/rounded.lua" } } }
  c:on("/positions/*", t.expect(1, function(p) t.equal(p, { x = 2, y = 3, name = "a" }) end))
  c:set("/positions/1", { x = 1.6, y = 3.2, name = "a" })
end)

t.case("9 rooms", function()
  local layers = { inbound = { "layers/rooms.lua" }, outbound = { "layers/rooms.lua" } }
  local ann, bob = t.client { layers = layers }, t.client {}
  t.equal(ann:set("/join", { room = "kitchen" }).joined, "kitchen")
  bob:set("/join", { room = "hall" })
  ann:on("/talk/*", t.expect(1))
  bob:on("/talk/*", t.expect(0))
  ann:set("/talk/1", { room = "kitchen", text = "soup" })
end)

t.case("10 quota", function()
  local c = t.client { layers = inbound("layers/quota.lua", { most = 1 }) }
  c:set("/boxes/1", { n = 1 })
  c:set("/boxes/1", { n = 2 })
  t.fails("Full", function() c:set("/boxes/2", { n = 1 }) end)
end)

t.case("11 a form", function()
  t.server { routes = { { script = "routes/form.lua" , mount = "/" } } }
  t.ok(t.http("GET", "/hello").text:find("<form", 1, true))
  local answer = t.http("POST", "/hello", "name=B%C3%B6b+<b>", { ["content-type"] = "application/x-www-form-urlencoded" })
  t.equal(answer.text, "<p>Hello Böb b</p>")
end)

t.case("12 pages", function()
  local seed = {}
  for n = 1, 7 do seed["/items/" .. n] = { n = n } end
  t.server { routes = { { script = "routes/pages.lua", mount = "/" } }, seed = seed }
  local page = t.http("GET", "/items?page=3").body
  t.equal(page.total, 7)
  t.equal(#page.items, 1)
  t.equal(page.items[1].n, 7)
  t.equal(t.http("GET", "/items?page=x").status, 400)
end)

t.case("13 several answers at once", function()
  t.server { routes = { { script = "routes/summary.lua", mount = "/" } }, seed = { ["/orders/1"] = { state = "open" }, ["/orders/2"] = { state = "done" } } }
  t.equal(t.http("GET", "/summary").body, { users = 0, orders = 2, open = 1 })
end)

t.case("14 not twice", function()
  t.server { routes = { { script = "routes/once.lua", mount = "/" } } }
  t.equal(t.http("POST", "/pay", { amount = 5 }).status, 400)
  local first = t.http("POST", "/pay", { amount = 5 }, { ["idempotency-key"] = "k" })
  local again = t.http("POST", "/pay", { amount = 5 }, { ["idempotency-key"] = "k" })
  t.equal(first.status, 201)
  t.equal(again.body.receipt, first.body.receipt)
  t.advance("25h")
  t.ok(t.http("POST", "/pay", { amount = 5 }, { ["idempotency-key"] = "k" }).body.receipt ~= first.body.receipt)
end)

t.case("15 another server, kept", function()
  t.server { routes = { { script = "routes/weather.lua", mount = "/" } } }
  local asked = 0
  t.on_http(function() asked = asked + 1 return { degrees = asked } end)
  t.equal(t.http("GET", "/weather/rome").body.degrees, 1)
  t.equal(t.http("GET", "/weather/rome").body.degrees, 1)
  t.advance("2m")
  t.equal(t.http("GET", "/weather/rome").body.degrees, 2)
end)

t.case("16 live numbers", function()
  t.server { routes = { { script = "routes/live.lua", mount = "/" } }, seed = { ["/orders/1"] = {} } }
  t.equal(t.http("GET", "/live?most=2").text, ("event: count\ndata: {\"orders\":1}\n\n"):rep(2))
end)

t.case("17 sweep", function()
  local s = t.server(trusted "work/sweep.lua")
  s:set("/logs/new", { at = t.now() * 1000 })
  s:set("/logs/old", { at = 0 })
  t.advance("1d")
  t.equal(s:paths("/logs/*"), { "/logs/new" })
end)

t.case("18 silence", function()
  local s = t.server(trusted "work/silence.lua")
  s:set("/alive/a", { n = 1 })
  t.advance("4m")
  t.equal(s:count("/silent/*"), 0)
  t.advance("3m")
  t.equal(s:get("/silent/*")[1].path, "/alive/a")
  s:set("/alive/a", { n = 2 })
  t.equal(s:count("/silent/*"), 0)
end)

t.case("19 sums", function()
  local s = t.server(trusted "work/sums.lua")
  s:set("/sales/1", { amount = 3 })
  s:set("/sales/2", { amount = 4 })
  t.equal(s:get("/sums/sales"), { count = 2, total = 7 })
end)

t.case("20 who is here", function()
  local s = t.server { scripts = trusted("work/presence.lua").scripts, secure = true }
  local ann = t.client { user = "ann" }
  t.equal(s:paths("/here/*"), { "/here/ann" })
  ann:disconnect()
  t.equal(s:paths("/here/*"), {})
end)
