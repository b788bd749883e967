--- include lib/key_use
--- include lib/key_places

-- When the rates of all its keys let a job that holds its slots already start: now, or later.
local function find_turn_ms(q, keys_json, now_ms)
  local latest = now_ms
  visit_keys(q, keys_json, function(place, limit)
    latest = math.max(latest, turn_ms(place, limit, now_ms))
  end)
  return latest
end
