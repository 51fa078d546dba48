import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AccessLog } from './access-log.ts'
import type { AccessLogOptions } from './access-log.ts'
import { ACCESS_LOG_FIELDS, AccessLogFormatter } from './access-log-format.ts'
import type { AccessLogFields, AccessLogFormat } from './access-log-format.ts'
import { AccessRecord } from './access-record.ts'
import type { LoggedFields } from './access-record.ts'
import { createLogger } from './log.ts'

// The zone of the process decides StartLocal.
process.env['TZ'] = 'Asia/Tokyo'

const dir = mkdtempSync(join(tmpdir(), 'sekisho-access-'))
after(() => rmSync(dir, { recursive: true }))

function fields(...pairs: [string, string][]): LoggedFields {
  return {
    get: (name) => pairs.find(([n]) => n.toLowerCase() === name.toLowerCase())?.[1],
    forEach: (visit) => {
      for (const [name, value] of pairs) visit(name, value)
    },
  }
}

function request(changes: Partial<AccessRecord> = {}): AccessRecord {
  return Object.assign(new AccessRecord(), {
    startedAt: Date.UTC(2026, 10, 21, 11, 20, 7, 5),
    durationMs: 12.345678,
    originDurationMs: 12.2,
    clientHost: '203.0.113.7',
    clientAddress: '198.51.100.1:49152',
    clientPort: 49152,
    entryPoint: 'websecure',
    method: 'GET',
    path: '/cart?item=1&token=secret&flag',
    protocol: 'HTTP/1.1',
    scheme: 'https',
    host: 'shop.example:8443',
    status: 200,
    originStatus: 201,
    requestBytes: 3,
    originBytes: 90,
    responseBytes: 73,
    requestCount: 42,
    retryAttempts: 1,
    router: 'shop-web@kubernetes',
    service: 'shop-web-80@kubernetes',
    serverUrl: 'http://10.0.0.1:8080',
    serverAddress: '10.0.0.1:8080',
    requestId: '5f1c',
    tlsVersion: 'TLSv1.3',
    tlsCipher: 'TLS_AES_128_GCM_SHA256',
    kubernetesNamespace: 'shop',
    kubernetesIngress: 'web',
    kubernetesService: 'web',
    kubernetesServicePort: 'http',
    requestHeaders: fields(
      ['user-agent', 'curl/8'],
      ['REFERER', 'https://a.example/'],
      ['Authorization', 'Basic x'],
    ),
    originHeaders: fields(['content-type', 'text/plain']),
    downstreamHeaders: fields(['Set-Cookie', 'a=1'], ['set-cookie', 'b=2']),
    ...changes,
  })
}

function line(format: AccessLogFormat, options?: AccessLogFields, changes?: Partial<AccessRecord>): string {
  return new AccessLogFormatter(format, options).line(request(changes))
}

test('common: Traefik columns, headers dropped unless asked for', () => {
  assert.equal(
    line('common'),
    '203.0.113.7 - - [21/Nov/2026:11:20:07 +0000] "GET /cart?item=1&token=secret&flag HTTP/1.1" 200 73 "-" "-" ' +
      '42 "shop-web@kubernetes" "http://10.0.0.1:8080" 12ms\n',
  )
})

test('common: with user, referer and user agent', () => {
  const headers = { names: { Referer: 'keep', 'User-Agent': 'keep' } } as const
  assert.equal(
    line('common', { headers }, { clientUsername: 'ann' }),
    '203.0.113.7 - ann [21/Nov/2026:11:20:07 +0000] "GET /cart?item=1&token=secret&flag HTTP/1.1" 200 73 ' +
      '"https://a.example/" "curl/8" 42 "shop-web@kubernetes" "http://10.0.0.1:8080" 12ms\n',
  )
})

test('common: a request that was refused before anything was known of it', () => {
  const record = new AccessRecord()
  record.startedAt = Date.UTC(2026, 1, 1)
  record.status = 400
  assert.equal(
    new AccessLogFormatter('common').line(record),
    '- - - [01/Feb/2026:00:00:00 +0000] "- - -" 400 0 "-" "-" 0 "-" "-" 0ms\n',
  )
})

test('genericCLF ends with the user agent', () => {
  assert.equal(
    line('genericCLF', { headers: { defaultMode: 'redact' } }),
    '203.0.113.7 - - [21/Nov/2026:11:20:07 +0000] "GET /cart?item=1&token=secret&flag HTTP/1.1" 200 73 ' +
      '"REDACTED" "REDACTED"\n',
  )
})

test('json: every field, keys in ASCII order', () => {
  const expected =
    '{"ClientAddr":"198.51.100.1:49152","ClientHost":"203.0.113.7","ClientPort":"49152","ClientUsername":"-",' +
    '"DownstreamContentSize":73,"DownstreamStatus":200,"DownstreamStatusLine":"200 OK","Duration":12345678,' +
    '"KubernetesIngressName":"web","KubernetesIngressNamespace":"shop","KubernetesServiceName":"web",' +
    '"KubernetesServicePort":"http","OriginContentSize":90,"OriginDuration":12200000,"OriginStatus":201,' +
    '"OriginStatusLine":"201 Created","Overhead":145678,"RequestAddr":"shop.example:8443",' +
    '"RequestContentSize":3,"RequestCount":42,"RequestHost":"shop.example","RequestID":"5f1c",' +
    '"RequestLine":"GET /cart?item=1&token=secret&flag HTTP/1.1","RequestMethod":"GET",' +
    '"RequestPath":"/cart?item=1&token=secret&flag","RequestPort":"8443","RequestProtocol":"HTTP/1.1",' +
    '"RequestScheme":"https","RetryAttempts":1,"RouterName":"shop-web@kubernetes","ServiceAddr":"10.0.0.1:8080",' +
    '"ServiceName":"shop-web-80@kubernetes","ServiceURL":"http://10.0.0.1:8080",' +
    '"StartLocal":"2026-11-21T20:20:07.005+09:00","StartUTC":"2026-11-21T11:20:07.005Z",' +
    '"TLSCipher":"TLS_AES_128_GCM_SHA256","TLSClientSubject":"CN=ann","TLSVersion":"1.3",' +
    '"entryPointName":"websecure","level":"info","msg":"","time":"2026-11-21T11:20:07Z"}\n'
  const json = line('json', {}, { tlsClientSubject: 'CN=ann' })
  assert.equal(json, expected)
  const keys = Object.keys(JSON.parse(json) as object)
  assert.deepEqual(keys, keys.toSorted())
  for (const name of ACCESS_LOG_FIELDS) assert.ok(keys.includes(name), name)
})

test('json: what did not happen is left out', () => {
  const record = new AccessRecord()
  record.status = 404
  record.durationMs = 1
  const shown = JSON.parse(new AccessLogFormatter('json').line(record)) as Record<string, unknown>
  assert.equal(shown['Overhead'], 1_000_000)
  assert.equal(shown['RequestPort'], '-')
  assert.equal(shown['ClientPort'], '-')
  const absent = ['OriginStatus', 'OriginDuration', 'RouterName', 'ServiceURL', 'TLSVersion', 'RequestID']
  for (const name of [...absent, 'KubernetesIngressName']) assert.ok(!(name in shown), name)
})

test('json: headers are kept, dropped or redacted, several of one name joined', () => {
  const headers = { defaultMode: 'keep', names: { authorization: 'redact', Referer: 'drop' } } as const
  const shown = JSON.parse(line('json', { headers })) as Record<string, unknown>
  const keys = Object.entries(shown).filter(([key]) => /^(request|origin|downstream)_/.test(key))
  assert.deepEqual(Object.fromEntries(keys), {
    'downstream_Set-Cookie': 'a=1, b=2',
    'origin_Content-Type': 'text/plain',
    'request_User-Agent': 'curl/8',
    request_Authorization: 'REDACTED',
  })
})

test('json: fields are dropped by name and by default', () => {
  const dropped = JSON.parse(line('json', { names: { requestpath: 'drop', RequestLine: 'drop' } })) as object
  assert.ok(!('RequestPath' in dropped) && !('RequestLine' in dropped) && 'RequestMethod' in dropped)
  assert.equal(
    line('json', { defaultMode: 'drop', names: { DownstreamStatus: 'keep' } }),
    '{"DownstreamStatus":200,"level":"info","msg":"","time":"2026-11-21T11:20:07Z"}\n',
  )
})

test('common: dropped fields become dashes, and the local time stands in for the dropped UTC time', () => {
  const names = { ClientHost: 'drop', StartUTC: 'drop', RequestPath: 'drop', ServiceURL: 'drop' } as const
  assert.equal(
    line('common', { names }),
    '- - - [21/Nov/2026:20:20:07 +0900] "GET - HTTP/1.1" 200 73 "-" "-" 42 "shop-web@kubernetes" "-" 12ms\n',
  )
})

test('query parameters can be dropped or redacted', () => {
  const paths = (['keep', 'drop', 'redact'] as const).map((defaultMode) => {
    const shown = JSON.parse(line('json', { queryParameters: { defaultMode } })) as Record<string, unknown>
    assert.equal(shown['RequestLine'], `GET ${String(shown['RequestPath'])} HTTP/1.1`)
    return shown['RequestPath']
  })
  assert.deepEqual(paths, [
    '/cart?item=1&token=secret&flag',
    '/cart',
    '/cart?item=REDACTED&token=REDACTED&flag',
  ])
})

const EVIL = 'a"b\\c\r\n127.0.0.1 - - forged\t\0\u007f\u009b2J \u00c3\u00a9 \u00ff'

test('common: nothing a client sends ends a line, forges a column or leaves ASCII', () => {
  const evil = {
    path: EVIL,
    method: EVIL,
    clientUsername: EVIL,
    requestHeaders: fields(['User-Agent', EVIL]),
  }
  const text = line('common', { headers: { defaultMode: 'keep' } }, evil)
  assert.match(text, /^[\x20-\x7e]+\n$/)
  const shown = 'a\\x22b\\x5cc\\x0d\\x0a127.0.0.1 - - forged\\x09\\x00\\x7f\\x9b2J \\xc3\\xa9 \\xff'
  assert.equal(
    text,
    `203.0.113.7 - ${shown.replaceAll(' ', '\\x20')} [21/Nov/2026:11:20:07 +0000] ` +
      `"${shown} ${shown} HTTP/1.1" 200 73 "-" "${shown}" 42 "shop-web@kubernetes" "http://10.0.0.1:8080" 12ms\n`,
  )
})

test('json: hostile bytes stay one line of valid ASCII JSON, UTF-8 is shown as what it means', () => {
  const text = line(
    'json',
    { headers: { defaultMode: 'keep' } },
    {
      path: EVIL,
      host: 'caf\u00c3\u00a9.example',
      requestHeaders: fields([EVIL, EVIL]),
    },
  )
  assert.match(text, /^[\x20-\x7e]+\n$/)
  const shown = JSON.parse(text) as Record<string, unknown>
  assert.equal(shown['RequestPath'], EVIL)
  assert.equal(shown['RequestHost'], 'caf\u00e9.example')
})

test('a value of any length takes a bounded part of a line', () => {
  for (const format of ['common', 'json'] as const) {
    const text = line(format, {}, { path: `/${'\u0001'.repeat(100_000)}`, router: 'r'.repeat(50_000) })
    assert.ok(text.length < 120_000, `${format}: ${text.length}`)
    assert.match(text, /\.\.\.\[91809 more\]/)
    assert.match(text, /r\.\.\.\[41808 more\]/)
  }
})

test('an IPv6 host has its port told apart', () => {
  for (const [host, name, port] of [
    ['[2001:db8::1]:8443', '[2001:db8::1]', '8443'],
    ['[2001:db8::1]', '[2001:db8::1]', '-'],
    ['a.example', 'a.example', '-'],
  ] as const) {
    const shown = JSON.parse(line('json', {}, { host })) as Record<string, unknown>
    assert.deepEqual([shown['RequestHost'], shown['RequestPort']], [name, port], host)
  }
})

test('a record that was reset is a new record', () => {
  const record = request({ tlsClientSubject: 'x', clientUsername: 'y' })
  record.reset()
  assert.deepEqual(record, new AccessRecord())
})

const silent = createLogger({ level: 'ERROR', format: 'common' }, { writeText: () => true })

async function logged(name: string, options: AccessLogOptions, records: AccessRecord[]): Promise<string[]> {
  const filePath = join(dir, name)
  const log = new AccessLog({ ...options, filePath }, silent, { add: () => {} })
  for (const record of records) log.write(record)
  await log.close()
  return readFileSync(filePath, 'utf8').split('\n').slice(0, -1)
}

test('a line is kept when any of the filters matches', async () => {
  const records = [
    request({ status: 200, durationMs: 1, retryAttempts: 0 }),
    request({ status: 404, durationMs: 1, retryAttempts: 0 }),
    request({ status: 503, durationMs: 1, retryAttempts: 0 }),
    request({ status: 201, durationMs: 500, retryAttempts: 0 }),
    request({ status: 202, durationMs: 1, retryAttempts: 2 }),
  ]
  const cases: [AccessLogOptions['filters'], number[]][] = [
    [undefined, [200, 404, 503, 201, 202]],
    [{}, [200, 404, 503, 201, 202]],
    [{ statusCodes: ['404', '500-599'] }, [404, 503]],
    [{ statusCodes: ['404'], minDurationMs: 500 }, [404, 201]],
    [{ minDurationMs: 501 }, []],
    [{ retryAttempts: true }, [202]],
    [{ statusCodes: ['200-299'], retryAttempts: true, minDurationMs: 100 }, [200, 201, 202]],
  ]
  for (const [index, [filters, expected]] of cases.entries()) {
    const options: AccessLogOptions = { format: 'json', ...(filters === undefined ? {} : { filters }) }
    const lines = await logged(`filter-${index}.log`, options, records)
    const statuses = lines.map((text) => (JSON.parse(text) as Record<string, unknown>)['DownstreamStatus'])
    assert.deepEqual(statuses, expected, JSON.stringify(filters))
  }
})

test('a status filter that cannot be read is refused with the way out', () => {
  for (const code of ['abc', '20', '500-400', '']) {
    const options = { filePath: join(dir, 'never.log'), filters: { statusCodes: [code] } }
    assert.throws(() => new AccessLog(options, silent, { add: () => {} }), /a status code is 404 or 500-599/)
  }
})

test('bufferingSize gathers that many lines', async () => {
  const filePath = join(dir, 'gather.log')
  const log = new AccessLog({ filePath, bufferingSize: 3 }, silent, { add: () => {} })
  const size = async (): Promise<number> => {
    // Two turns: the write is handed over, its completion comes back; nothing may be there before the third line.
    for (let i = 0; i < 2; i++) await new Promise((resolve) => void setImmediate(resolve))
    return readFileSync(filePath, 'utf8').split('\n').length - 1
  }
  log.write(request())
  log.write(request())
  assert.equal(await size(), 0)
  log.write(request())
  for (let tries = 0; (await size()) < 3; tries++) assert.ok(tries < 10_000)
  await log.close()
})

test('lines beyond the bound are counted where the metric is', async () => {
  const filePath = join(dir, 'bounded.log')
  let dropped = 0
  const log = new AccessLog({ filePath, maxBufferedBytes: 1000 }, silent, { add: (n) => (dropped += n) })
  for (let i = 0; i < 100; i++) log.write(request())
  await log.close()
  const lines = readFileSync(filePath, 'utf8').split('\n').length - 1
  assert.ok(lines > 0 && lines < 100)
  assert.equal(lines + dropped, 100)
  assert.equal(log.droppedLines, dropped)
})

test('reopen follows a rotated file', async () => {
  const filePath = join(dir, 'rotate.log')
  const log = new AccessLog({ filePath }, silent, { add: () => {} })
  log.write(request({ requestCount: 1 }))
  await log.flush()
  renameSync(filePath, `${filePath}.1`)
  log.reopen()
  log.write(request({ requestCount: 2 }))
  await log.close()
  assert.match(readFileSync(`${filePath}.1`, 'utf8'), /^.* 1 "shop-web.*\n$/)
  assert.match(readFileSync(filePath, 'utf8'), /^.* 2 "shop-web.*\n$/)
})
