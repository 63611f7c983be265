local cors = require "happn.cors"
return cors.wrap({ ["GET /a"] = function() return { ok = true } end }, { origins = { "https://app" } })
