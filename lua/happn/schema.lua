-- JSON Schema for documents: local schema = require "happn.schema"; local check = schema.compile{ type = "object", ... }
-- check(value) returns nothing when the value is sound, otherwise where and why: "/size/width", "must be at most 10".
-- The keywords of the list below are known; others are an error when the schema is compiled, never silence.
local M = {}

local annotations = { title = true, description = true, default = true, examples = true, ["$schema"] = true, ["$comment"] = true }

local function kind_of(value)
  if value == nil or happn.is_null(value) then return "null" end
  local t = type(value)
  if t == "string" or t == "boolean" then return t end
  if t == "number" then return math.type(value) == "integer" and "integer" or (value % 1 == 0 and "integer" or "number") end
  return happn.is_list(value) and "array" or "object"
end

local function is_kind(kind, wanted) return kind == wanted or (wanted == "number" and kind == "integer") end

local function same(a, b)
  local ka, kb = kind_of(a), kind_of(b)
  if ka ~= "object" and ka ~= "array" then return ka == kb and (ka == "null" or a == b) or (type(a) == "number" and a == b) end
  if ka ~= kb or #a ~= #b then return false end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil and not happn.is_null(b, k) then return false end end
  return true
end

local compile

-- Each makes a function(value, kind, at) that returns where and why, or nothing.
local keywords = {}

function keywords.type(wanted)
  local list = type(wanted) == "string" and { wanted } or wanted
  for _, name in ipairs(list) do
    if not ({ null = 1, boolean = 1, string = 1, integer = 1, number = 1, array = 1, object = 1 })[name] then error("type: there is no type " .. tostring(name)) end
  end
  local text = table.concat(list, " or ")
  return function(_, kind, at)
    for _, name in ipairs(list) do if is_kind(kind, name) then return end end
    return at, "must be " .. (text:find("^[aio]") and "an " or "a ") .. text .. ", is " .. kind
  end
end

function keywords.enum(values)
  return function(value, _, at)
    for _, v in ipairs(values) do if same(value, v) then return end end
    return at, "must be one of the listed values"
  end
end

function keywords.const(wanted)
  return function(value, _, at) if not same(value, wanted) then return at, "must be the one allowed value" end end
end

local function number(test, text)
  return function(limit)
    return function(value, kind, at)
      if is_kind(kind, "number") and not test(value, limit) then return at, text .. " " .. tostring(limit) end
    end
  end
end
keywords.minimum = number(function(v, l) return v >= l end, "must be at least")
keywords.maximum = number(function(v, l) return v <= l end, "must be at most")
keywords.exclusiveMinimum = number(function(v, l) return v > l end, "must be more than")
keywords.exclusiveMaximum = number(function(v, l) return v < l end, "must be less than")
keywords.multipleOf = number(function(v, l) return (v / l) % 1 == 0 end, "must be a multiple of")

local function length(kind_wanted, measure, test, text)
  return function(limit)
    return function(value, kind, at)
      if kind == kind_wanted and not test(measure(value), limit) then return at, text:format(limit) end
    end
  end
end
local function at_least(n, limit) return n >= limit end
local function at_most(n, limit) return n <= limit end
local function count(object) local n = 0 for _ in pairs(object) do n = n + 1 end return n end
local function size(list) return #list end
keywords.minLength = length("string", function(s) return utf8.len(s) or #s end, at_least, "must have at least %d characters")
keywords.maxLength = length("string", function(s) return utf8.len(s) or #s end, at_most, "must have at most %d characters")
keywords.minItems = length("array", size, at_least, "must have at least %d elements")
keywords.maxItems = length("array", size, at_most, "must have at most %d elements")
keywords.minProperties = length("object", count, at_least, "must have at least %d members")
keywords.maxProperties = length("object", count, at_most, "must have at most %d members")

-- `matches` is ours: a Lua pattern for the whole text. JSON Schema's `pattern` is a regular expression of JavaScript, which Lua does not have.
function keywords.matches(pattern)
  local whole = "^" .. pattern .. "$"
  return function(value, kind, at) if kind == "string" and not value:find(whole) then return at, "must look like " .. pattern end end
end

function keywords.required(names)
  return function(value, kind, at)
    if kind ~= "object" then return end
    for _, name in ipairs(names) do
      if value[name] == nil and not happn.is_null(value, name) then return at .. "/" .. name, "is missing" end
    end
  end
end

function keywords.properties(schemas)
  local checks = {}
  for name, schema in pairs(schemas) do checks[name] = compile(schema) end
  return function(value, kind, at)
    if kind ~= "object" then return end
    for name, check in pairs(checks) do
      local member = value[name]
      if member == nil and happn.is_null(value, name) then member = happn.null end
      if member ~= nil then
        local where, why = check(member, at .. "/" .. name)
        if where then return where, why end
      end
    end
  end
end

function keywords.additionalProperties(allowed, schema)
  local known, check = schema.properties or {}, type(allowed) == "table" and compile(allowed) or nil
  return function(value, kind, at)
    if kind ~= "object" or allowed == true then return end
    for name, member in pairs(value) do
      if known[name] == nil then
        if not check then return at .. "/" .. name, "is not a known member" end
        local where, why = check(member, at .. "/" .. name)
        if where then return where, why end
      end
    end
  end
end

function keywords.items(schema)
  local check = compile(schema)
  return function(value, kind, at)
    if kind ~= "array" then return end
    for i = 1, #value do
      local element = value[i]
      local where, why = check(element == nil and happn.null or element, at .. "/" .. (i - 1))
      if where then return where, why end
    end
  end
end

function keywords.uniqueItems(wanted)
  return function(value, kind, at)
    if not wanted or kind ~= "array" then return end
    for i = 2, #value do
      for j = 1, i - 1 do if same(value[i], value[j]) then return at .. "/" .. (i - 1), "is there twice" end end
    end
  end
end

local function all(schemas) local checks = {} for i, s in ipairs(schemas) do checks[i] = compile(s) end return checks end

function keywords.allOf(schemas)
  local checks = all(schemas)
  return function(value, _, at)
    for _, check in ipairs(checks) do
      local where, why = check(value, at)
      if where then return where, why end
    end
  end
end

local function passing(checks, value, at)
  local n = 0
  for _, check in ipairs(checks) do if not check(value, at) then n = n + 1 end end
  return n
end

function keywords.anyOf(schemas)
  local checks = all(schemas)
  return function(value, _, at) if passing(checks, value, at) == 0 then return at, "is none of what is allowed" end end
end

function keywords.oneOf(schemas)
  local checks = all(schemas)
  return function(value, _, at)
    local n = passing(checks, value, at)
    if n ~= 1 then return at, n == 0 and "is none of what is allowed" or "is more than one of what is allowed" end
  end
end

keywords["not"] = function(schema)
  local check = compile(schema)
  return function(value, _, at) if not check(value, at) then return at, "is what is not allowed" end end
end

function compile(schema)
  if schema == true then return function() end end
  if schema == false then return function(_, at) return at or "", "is not allowed" end end
  if type(schema) ~= "table" then error("a schema is a table, true or false") end
  local checks = {}
  if schema.type ~= nil then checks[1] = keywords.type(schema.type) end -- first: its message says most
  for name, argument in pairs(schema) do
    if name ~= "type" and not annotations[name] then
      local make = keywords[name]
      if not make then error("the schema's keyword " .. tostring(name) .. " is not known") end
      checks[#checks + 1] = make(argument, schema)
    end
  end
  return function(value, at)
    at = at or ""
    local kind = kind_of(value)
    for _, check in ipairs(checks) do
      local where, why = check(value, kind, at)
      if where then return where, why end
    end
  end
end

M.compile = compile
return M
