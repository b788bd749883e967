-- A job's options; they are JSON that any peer may have written, so nothing is taken for granted.
local function opts_of(json)
  local is_json, opts = pcall(cjson.decode, json or '')
  return is_json and type(opts) == 'table' and opts or {}
end
