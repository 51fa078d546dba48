/**
 * Cost of one access-log line, formatted and handed to the sink: `node bench/micro/access-log.ts`.
 * Goal: 2 µs for `common`. Writes to /dev/null's likeness, a temporary file.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AccessLog } from '#observe/access-log.ts'
import type { AccessLogOptions } from '#observe/access-log.ts'
import { AccessRecord } from '#observe/access-record.ts'
import { createLogger } from '#observe/log.ts'

const LINES = 20_000
const ROUNDS = 15

const dir = mkdtempSync(join(tmpdir(), 'sekisho-bench-'))
const silent = createLogger({ level: 'ERROR', format: 'common' }, { writeText: () => true })

const variants: [string, AccessLogOptions][] = [
  ['common', { format: 'common' }],
  [
    'common, referer and user agent',
    { format: 'common', fields: { headers: { names: { Referer: 'keep', 'User-Agent': 'keep' } } } },
  ],
  ['json', { format: 'json' }],
  ['json, all headers', { format: 'json', fields: { headers: { defaultMode: 'keep' } } }],
]

const record = new AccessRecord()

function fill(i: number): void {
  record.reset()
  record.startedAt = 1_790_000_000_000 + (i >> 4)
  record.durationMs = 1.234 + (i & 7)
  record.originDurationMs = 1.034
  record.clientHost = '203.0.113.7'
  record.clientAddress = '203.0.113.7:49152'
  record.clientPort = 49152
  record.entryPoint = 'web'
  record.method = 'GET'
  record.path = `/catalog/items/${i & 1023}?page=2`
  record.protocol = 'HTTP/1.1'
  record.scheme = 'http'
  record.host = 'shop.example:8080'
  record.status = 200
  record.originStatus = 200
  record.originBytes = 73
  record.responseBytes = 73
  record.requestCount = i
  record.router = 'shop-web-shop-example-catalog@kubernetes'
  record.service = 'shop-web-80@kubernetes'
  record.serverUrl = 'http://10.0.0.1:8080'
  record.serverAddress = '10.0.0.1:8080'
  record.requestId = '0123456789abcdef0123456789abcdef'
  record.kubernetesNamespace = 'shop'
  record.kubernetesIngress = 'web'
  record.kubernetesService = 'web'
  record.kubernetesServicePort = '80'
  record.requestHeaders = HEADERS
}

const HEADERS = {
  get: (name: string): string | undefined =>
    name === 'user-agent' ? 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' : undefined,
  forEach: (visit: (name: string, value: string) => void): void => {
    visit('Host', 'shop.example:8080')
    visit('User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36')
    visit('Accept', '*/*')
    visit('Accept-Encoding', 'gzip, br')
  },
}

let fillNs = Infinity
for (let round = 0; round < ROUNDS; round++) {
  const start = process.hrtime.bigint()
  for (let i = 0; i < LINES; i++) fill(i)
  fillNs = Math.min(fillNs, Number(process.hrtime.bigint() - start) / LINES)
}

for (const [name, options] of variants) {
  const filePath = join(dir, `${name}.log`)
  const log = new AccessLog({ ...options, filePath, maxBufferedBytes: 64 << 20 }, silent, { add: () => {} })
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < LINES; i++) {
      fill(i)
      log.write(record)
    }
    samples.push(Number(process.hrtime.bigint() - start) / LINES - fillNs)
    await log.flush()
  }
  samples.sort((a, b) => a - b)
  const median = samples[ROUNDS >> 1] as number
  const bytes = statSync(filePath).size / (LINES * ROUNDS)
  console.log(
    `${name}: ${median.toFixed(0)} ns a line (best ${samples[0]?.toFixed(0)}), ${bytes.toFixed(0)} bytes`,
  )
  await log.close()
}
rmSync(dir, { recursive: true })
