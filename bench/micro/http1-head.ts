/**
 * Nanoseconds per head of the HTTP/1.1 reader: three sizes of request, a response, and what the proxy does with a head
 * (drop two fields, add a block, serialize). Run: node bench/micro/http1-head.ts [rounds]
 *
 * The heads stand one behind another in one buffer, as in a worker's read buffer; results are consumed.
 */
import { DEFAULT_HEAD_LIMITS, HeadReader, type HeadKind } from '#wire/http1/head-reader.ts'
import { Head } from '#wire/http1/head.ts'
import { H_CONNECTION, H_X_FORWARDED_FOR } from '#wire/http1/known-names.ts'

const ADDED =
  'X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\n'

const SMALL = 'GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\r\n'
const BROWSER = [
  'GET /products/list?page=2&sort=price HTTP/1.1',
  'Host: shop.example.com',
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8',
  'Referer: https://shop.example.com/',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-GB,en;q=0.9',
  'Cookie: session=0123456789abcdef0123456789abcdef',
  '\r\n',
].join('\r\n')
const LARGE = BROWSER.replace(
  '\r\n\r\n',
  `; consent=${'x'.repeat(900)}; ids=${'0123456789'.repeat(60)}\r\n\r\n`,
)
const RESPONSE =
  'HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n' +
  'Content-Length: 73\r\nConnection: keep-alive\r\n\r\n'

const COPIES = 16
let sink = 0

function measure(label: string, kind: HeadKind, text: string, work: (head: Head) => number): void {
  const reader = new HeadReader(kind, DEFAULT_HEAD_LIMITS)
  const head = new Head()
  const one = text + 'GET / HTTP'
  const buffer = Buffer.from(one.repeat(COPIES), 'latin1')
  const run = (count: number): number => {
    const startedAt = process.hrtime.bigint()
    for (let i = 0; i < count; i++) {
      const start = (i % COPIES) * one.length
      sink += reader.read(buffer, start, start + one.length, head) + work(head)
    }
    return Number(process.hrtime.bigint() - startedAt) / count
  }
  run(200_000)
  const rounds = Array.from({ length: Number(process.argv[2] ?? 7) }, () => run(200_000)).sort(
    (a, b) => a - b,
  )
  const median = rounds[rounds.length >> 1]!
  console.log(
    `${label.padEnd(34)} ${String(text.length).padStart(5)} B ${median.toFixed(0).padStart(6)} ns` +
      ` (${rounds[0]!.toFixed(0)}…${rounds.at(-1)!.toFixed(0)})`,
  )
}

const readOnly = (head: Head): number => head.path.length + head.host.length
const rewrite = (head: Head): number => {
  head.removeId(H_CONNECTION)
  head.removeId(H_X_FORWARDED_FOR)
  head.appendRaw(ADDED)
  return head.serializeFields().length
}

measure('request, wrk', 'request', SMALL, readOnly)
measure('request, browser', 'request', BROWSER, readOnly)
measure('request, large cookies', 'request', LARGE, readOnly)
measure('response', 'response', RESPONSE, (head) => head.contentLength)
measure('request, wrk, rewritten', 'request', SMALL, rewrite)
measure('request, browser, rewritten', 'request', BROWSER, rewrite)
if (sink === 0) throw new Error('nothing was read')
