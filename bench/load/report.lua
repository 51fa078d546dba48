-- Prints what wrk measured as one line of JSON, after wrk's own text.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"bytes":%d,"micros":%d,"p50":%d,"p99":%d,"p999":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
