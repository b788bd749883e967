-- The array that a JSON text holds; nil for any other text.
local function parse_array(text)
  local is_json, array = pcall(cjson.decode, text or '')
  return is_json and type(array) == 'table' and array or nil
end
