-- Deals out tenants' limits among the gates that use them: max-min fair, and all parts together are the whole.
-- KEYS: the gates; then one hash for each tenant: gate -> "seen use over need", all as parts of the limit.
-- ARGV: this gate; how long a report holds, in ms; then use and over (0, 1) for each tenant.
-- Answers the number of gates, and this gate's part for each tenant, as text.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local gate, holds = ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, gate)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - holds)
redis.call('PEXPIRE', KEYS[1], holds * 4)
local answer = { tostring(redis.call('ZCARD', KEYS[1])) }
for place = 2, #KEYS do
  local use, over = tonumber(ARGV[place * 2 - 1]), ARGV[place * 2] == '1'
  redis.call('HSET', KEYS[place], gate, string.format('%.0f %.6f %s', now, use, over and '1' or '0'))
  redis.call('PEXPIRE', KEYS[place], holds)
  local reports, count = {}, 0
  local all = redis.call('HGETALL', KEYS[place])
  for i = 1, #all, 2 do
    local seen, used, wants = string.match(all[i + 1], '^(%d+) ([%d.]+) ([01])$')
    if seen and now - tonumber(seen) <= holds then
      count = count + 1
      reports[count] = { tonumber(used), wants == '1' }
    else
      redis.call('HDEL', KEYS[place], all[i])
    end
  end
  -- Who is not over its part needs what it uses, and some room to grow.
  local equal = 1 / count
  local needs, used, wanting = 0, 0, 0
  for _, report in ipairs(reports) do
    if report[2] then
      wanting = wanting + 1
    else
      needs = needs + math.min(report[1] + equal / 10, equal)
      used = used + report[1]
    end
  end
  local part
  if over then
    part = (1 - needs) / wanting
  elseif wanting > 0 then
    part = math.min(use + equal / 10, equal)
  elseif used <= 1 then
    part = use + (1 - used) / count
  else
    part = use / used
  end
  answer[place] = string.format('%.6f', part)
end
return answer
