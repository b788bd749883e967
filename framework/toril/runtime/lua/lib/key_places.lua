--- include lib/key_limits
--- include lib/parse_array

-- Where all is kept of one key of one limit; the name begins with `P:Q:meta:t:k:NUMBER:`.
local function place_at(name)
  return { name = name, held = name .. ':held', starts = name .. ':starts', parked = name .. ':parked' }
end

-- The place of that name, and its limit; nil where the limit was taken away.
local function find_place(q, name)
  local number = string.match(string.sub(name, #q.base + 1), '^meta:t:k:(%d+):')
  local limit = (key_limits(q) or {})[tonumber(number)]
  if limit then
    return place_at(name), limit
  end
end

-- Calls visit(place, limit) for each limit that a job names a key of, until one gives a value.
local function visit_keys(q, keys_json, visit)
  local keys = parse_array(keys_json)
  for number, limit in ipairs(keys and key_limits(q) or {}) do
    if type(keys[number]) == 'string' then
      local found = visit(place_at(q.base .. 'meta:t:k:' .. number .. ':' .. keys[number]), limit)
      if found then
        return found
      end
    end
  end
end
