-- GET /hello, beside nginx with Lua and the original's middleware
return { ["GET /hello"] = function() return 200, "hello" end }
