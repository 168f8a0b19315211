-- Who sends this request? Envoy runs it on the routes of services that demand keys. It knows keys by their SHA-256
-- alone: Envoy's own filter for keys would hold them in plain text, in a file. Whoever is told here is named in a header
-- that no consumer can set; a filter behind this one refuses what has no name, so that an error in here lets nobody in.

local band, bnot, bxor = bit.band, bit.bnot, bit.bxor
local ror, rshift, lshift, tobit, tohex = bit.ror, bit.rshift, bit.lshift, bit.tobit, bit.tohex

local LONGEST = 55 -- bytes of a key: with what SHA-256 adds, it is one block

-- FIPS 180-4, 4.2.2 and 5.3.3: the fractional parts of the roots of the first primes.
local ROUNDS, BEGIN = {}, {}
do
  local function fraction(root)
    return tobit(math.floor((root % 1) * 2 ^ 32))
  end
  local number = 2
  while #ROUNDS < 64 do
    local is_prime = true
    for divisor = 2, math.floor(math.sqrt(number)) do
      is_prime = is_prime and number % divisor ~= 0
    end
    if is_prime then
      ROUNDS[#ROUNDS + 1] = fraction(number ^ (1 / 3))
      if #BEGIN < 8 then
        BEGIN[#BEGIN + 1] = fraction(number ^ (1 / 2))
      end
    end
    number = number + 1
  end
end

-- FIPS 180-4, 5.1.1 and 5.2.1: one block of 16 words, big-endian, with a 1 bit and the length behind the message.
local function block_of(message)
  local padded = message .. "\128" .. string.rep("\0", LONGEST - #message + 6) .. string.char(
    rshift(#message * 8, 8), band(#message * 8, 255))
  local words = {}
  for at = 1, 16 do
    local a, b, c, d = padded:byte(at * 4 - 3, at * 4)
    words[at] = tobit(lshift(a, 24) + lshift(b, 16) + lshift(c, 8) + d)
  end
  return words
end

-- FIPS 180-4, 6.2.2.
local function sha256(message)
  local words = block_of(message)
  for at = 17, 64 do
    local x, y = words[at - 15], words[at - 2]
    local small = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local large = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    words[at] = tobit(words[at - 16] + small + words[at - 7] + large)
  end
  local a, b, c, d, e, f, g, h = unpack(BEGIN)
  for at = 1, 64 do
    local choice = bxor(band(e, f), band(bnot(e), g))
    local majority = bxor(band(a, b), band(a, c), band(b, c))
    local one = tobit(h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + choice + ROUNDS[at] + words[at])
    local two = tobit(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + majority)
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + one), c, b, a, tobit(one + two)
  end
  local digest = {}
  for at, word in ipairs({ a, b, c, d, e, f, g, h }) do
    digest[at] = tohex(tobit(word + BEGIN[at]))
  end
  return table.concat(digest)
end

local function refuse(handle, status, sentence)
  handle:respond({ [":status"] = status, ["www-authenticate"] = 'ApiKey realm="rung", header="x-api-key"' }, sentence)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local key = headers:get("x-api-key")
  headers:remove("x-api-key")
  if key == nil then
    return refuse(handle, "401", "this service asks for a key: send it in the header x-api-key")
  end
  local consumer = #key <= LONGEST and handle:virtualHost():metadata():get(sha256(key)) or nil
  if consumer == nil then
    return refuse(handle, "401", "the key in the header x-api-key is not known, or was revoked")
  end
  local service = handle:filterContext():get("service")
  if service ~= nil and consumer.service ~= nil and consumer.service ~= service then
    return refuse(handle, "403", "the key in the header x-api-key is for another service")
  end
  headers:replace("x-rung-consumer", consumer.name)
  if consumer.service ~= nil then
    headers:replace("x-rung-consumer-service", consumer.service)
  end
end
