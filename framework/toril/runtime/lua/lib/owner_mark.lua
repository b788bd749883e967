-- The mark of one start of a job: who runs it (`t:o`).
local function owner_mark(token, attempts_started)
  -- Most starts are a job's first, and to format a number costs half as much as a command.
  return token .. (attempts_started == 1 and '#1' or string.format('#%.0f', attempts_started))
end
