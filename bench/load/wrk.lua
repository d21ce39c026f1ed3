-- A POST of JSON for wrk: `wrk -s wrk.lua URL -- FILE PIPELINED CLOSE CODING`, whose FILE is the body; the last line of the output is JSON.
function init(arguments)
  local file = assert(io.open(arguments[1], 'rb'))
  wrk.method = 'POST'
  wrk.headers['Content-Type'] = 'application/json'
  if arguments[3] == '1' then wrk.headers['Connection'] = 'close' end
  if arguments[4] ~= nil and arguments[4] ~= '' then wrk.headers['Accept-Encoding'] = arguments[4] end
  wrk.body = file:read('*a')
  file:close()
  requests = string.rep(wrk.format(), tonumber(arguments[2]))
end

function request()
  return requests
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"bytes":%d,"microseconds":%d,"p50":%d,"p99":%d,"max":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect, e.read, e.write, e.status, e.timeout))
end
