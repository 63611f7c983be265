-- Tells another server of changes: POST with { path, action, data, at } for every event at one of the paths.
--   { "script": "happn/webhook.lua", "user": "robot", "config": { "url": "https://example.org/hook", "paths": ["/orders/*"], "secret": "..." } }
-- An answer other than 2xx, and no answer, is tried again after 1, 5 and 25 seconds, then logged and given up. With `secret` the header
-- x-happn-signature has the HMAC-SHA-256 of the body, in hexadecimal digits. Events of one path keep their order.
local conf = happn.config
local waits = conf.retries or { "1s", "5s", "25s" }

local function deliver(body)
  local headers = { ["content-type"] = "application/json", ["x-happn-signature"] = conf.secret and happn.hmac(conf.secret, body) or nil }
  local why
  for attempt = 0, #waits do
    if attempt > 0 then happn.sleep(waits[attempt]) end
    local ok, answer = pcall(happn.http.post, conf.url, body, { headers = headers, timeout = conf.timeout or "10s" })
    if ok and answer.status >= 200 and answer.status < 300 then return end
    why = ok and "it answered " .. answer.status or type(answer) == "table" and answer.message or tostring(answer)
  end
  happn.log.error("webhook: gave up on", conf.url, why)
end

for _, path in ipairs(conf.paths or {}) do
  happn.on(path, function(data, meta)
    deliver(happn.json.encode({ path = meta.path, action = meta.action, at = meta.modified or math.floor(happn.now() * 1000), data = happn.table(data) }))
  end)
end

return {
  name = "webhook",
  config = {
    url = { type = "text", required = true }, paths = { type = "list", required = true }, secret = { type = "text" }, timeout = { type = "text" }, retries = { type = "list" },
  },
}
