/** The access log and the program's log of a running gateway: what stands in them, and that they hold nobody up. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { namedServer } from './bed/backends.ts'
import { GatewayProcess, until, type GatewayOptions } from './bed/gateway-process.ts'
import { HttpReader } from './bed/http-reader.ts'
import { Load } from './bed/load.ts'
import { ingress, refusingAddress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { scaled } from './bed/modes.ts'
import { exchangeBytes, rawClient, RawServer } from './bed/raw-peer.ts'
import { tlsClient, tlsSecret } from './bed/tls-peer.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))
const FORCE_TLS = { 'nginx.ingress.kubernetes.io/force-ssl-redirect': 'true' }
const CLOSED = { 'nginx.ingress.kubernetes.io/auth-url': 'http://auth.example/' }

type Entry = Record<string, unknown>

/** Every field that a line of a proxied request has, as docs of the access log and Traefik name them. */
const PROXIED_FIELDS = [
  'ClientAddr',
  'ClientHost',
  'ClientPort',
  'ClientUsername',
  'DownstreamContentSize',
  'DownstreamStatus',
  'DownstreamStatusLine',
  'Duration',
  'KubernetesIngressName',
  'KubernetesIngressNamespace',
  'KubernetesServiceName',
  'KubernetesServicePort',
  'OriginContentSize',
  'OriginDuration',
  'OriginStatus',
  'OriginStatusLine',
  'Overhead',
  'RequestAddr',
  'RequestContentSize',
  'RequestCount',
  'RequestHost',
  'RequestID',
  'RequestLine',
  'RequestMethod',
  'RequestPath',
  'RequestPort',
  'RequestProtocol',
  'RequestScheme',
  'RetryAttempts',
  'RouterName',
  'ServiceAddr',
  'ServiceName',
  'ServiceURL',
  'StartLocal',
  'StartUTC',
  'entryPointName',
  'level',
  'msg',
  'time',
]
const WITHOUT_ORIGIN = PROXIED_FIELDS.filter((name) => !name.startsWith('Origin'))
const WITHOUT_SERVER = WITHOUT_ORIGIN.filter((name) => name !== 'ServiceAddr' && name !== 'ServiceURL')
const WITHOUT_SERVICE = WITHOUT_SERVER.filter((name) => name !== 'ServiceName')
const WITHOUT_ROUTER = WITHOUT_SERVICE.filter(
  (name) => name !== 'RouterName' && !name.startsWith('Kubernetes'),
)

class Case {
  readonly gateway: GatewayProcess
  /** Of `a.example`. */
  readonly server: RawServer
  readonly refusing: string

  constructor(gateway: GatewayProcess, server: RawServer, refusing: string) {
    this.gateway = gateway
    this.server = server
    this.refusing = refusing
  }

  get(path: string, host = 'a.example', lines = ''): Promise<string> {
    return exchangeBytes(
      this.gateway.web,
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines}\r\n`,
    )
  }
}

interface CaseTable {
  readonly name: string
  /** Asks for `path`, which is the case's own, or for the one that it returns. */
  readonly run: (made: Case, path: string) => Promise<unknown>
  readonly fields: readonly string[]
  /** Right values; functions for those that the test cannot know beforehand. */
  readonly expected: (made: Case) => Entry
  /** Behind the time in the common format, up to the number of the request and behind it. */
  readonly common: (made: Case, path: string) => readonly [string, string]
}

const ROUTER = 'default-web-a-example@kubernetes'
const SERVICE = 'default-a-80@kubernetes'

const CASES: readonly CaseTable[] = [
  {
    name: 'proxied',
    run: (made, path) => made.get(path),
    fields: PROXIED_FIELDS,
    expected: ({ server }) => ({
      ClientHost: '127.0.0.1',
      ClientUsername: '-',
      DownstreamContentSize: 2,
      DownstreamStatus: 200,
      DownstreamStatusLine: '200 OK',
      KubernetesIngressName: 'web',
      KubernetesIngressNamespace: 'default',
      KubernetesServiceName: 'a',
      KubernetesServicePort: '80',
      OriginContentSize: 2,
      OriginStatus: 200,
      OriginStatusLine: '200 OK',
      RequestAddr: 'a.example',
      RequestContentSize: 0,
      RequestHost: 'a.example',
      RequestMethod: 'GET',
      RequestPort: '-',
      RequestProtocol: 'HTTP/1.1',
      RequestScheme: 'http',
      RetryAttempts: 0,
      RouterName: ROUTER,
      ServiceAddr: server.address,
      ServiceName: SERVICE,
      ServiceURL: `http://${server.address}`,
      entryPointName: 'web',
      level: 'info',
      msg: '',
    }),
    common: ({ server }, path) => [
      `"GET ${path} HTTP/1.1" 200 2 "-" "-"`,
      `"${ROUTER}" "http://${server.address}"`,
    ],
  },
  {
    name: 'HTTP/1.0, with port and body',
    run: ({ gateway }, path) =>
      exchangeBytes(
        gateway.web,
        `POST ${path} HTTP/1.0\r\nHost: A.example:8080\r\nContent-Length: 7\r\n\r\n1234567`,
      ),
    fields: PROXIED_FIELDS,
    expected: () => ({
      DownstreamStatus: 200,
      RequestAddr: 'A.example:8080',
      RequestContentSize: 7,
      RequestHost: 'A.example',
      RequestMethod: 'POST',
      RequestPort: '8080',
      RequestProtocol: 'HTTP/1.0',
    }),
    common: ({ server }, path) => [
      `"POST ${path} HTTP/1.0" 200 2 "-" "-"`,
      `"${ROUTER}" "http://${server.address}"`,
    ],
  },
  {
    name: 'HEAD',
    run: async ({ gateway }, path) => {
      const client = await rawClient(gateway.web)
      client.send(`HEAD ${path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`)
      await client.until((each) => each.isEnded)
      client.socket.destroy()
    },
    fields: PROXIED_FIELDS,
    expected: () => ({ DownstreamStatus: 204, DownstreamContentSize: 0, OriginContentSize: 0 }),
    common: ({ server }, path) => [
      `"HEAD ${path} HTTP/1.1" 204 0 "-" "-"`,
      `"${ROUTER}" "http://${server.address}"`,
    ],
  },
  {
    name: 'over TLS',
    run: async ({ gateway }, path) => {
      using client = await tlsClient(gateway.websecure, { servername: 'a.example', minVersion: 'TLSv1.3' })
      client.send(`GET ${path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`)
      await client.until((each) => each.isEnded)
    },
    fields: [...PROXIED_FIELDS, 'TLSCipher', 'TLSVersion'],
    expected: () => ({
      RequestScheme: 'https',
      TLSVersion: '1.3',
      TLSCipher: 'TLS_AES_128_GCM_SHA256',
      entryPointName: 'websecure',
    }),
    common: ({ server }, path) => [
      `"GET ${path} HTTP/1.1" 200 2 "-" "-"`,
      `"${ROUTER}" "http://${server.address}"`,
    ],
  },
  {
    name: 'from behind a trusted proxy',
    run: ({ gateway }, path) =>
      exchangeBytes(
        gateway.ports['trusted']!,
        `GET ${path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n` +
          `X-Forwarded-Proto: https\r\nX-Request-ID: chosen\r\n\r\n`,
      ),
    fields: PROXIED_FIELDS,
    expected: () => ({
      ClientHost: '192.0.2.7',
      RequestScheme: 'https',
      RequestID: 'chosen',
      entryPointName: 'trusted',
    }),
    common: ({ server }, path) => [
      `"GET ${path} HTTP/1.1" 200 2 "-" "-"`,
      `"${ROUTER}" "http://${server.address}"`,
    ],
  },
  {
    name: 'redirected',
    run: (made, path) => made.get(path, 'redirect.example'),
    fields: WITHOUT_SERVICE,
    expected: () => ({
      DownstreamStatus: 308,
      DownstreamStatusLine: '308 Permanent Redirect',
      RouterName: 'default-redirect-redirect-example@kubernetes',
      KubernetesIngressName: 'redirect',
    }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 308 23 "-" "-"`,
      '"default-redirect-redirect-example@kubernetes" "-"',
    ],
  },
  {
    name: 'without a route',
    run: (made, path) => made.get(path, 'nobody.example'),
    fields: WITHOUT_ROUTER,
    expected: () => ({ DownstreamStatus: 404, DownstreamStatusLine: '404 Not Found' }),
    common: (_, path) => [`"GET ${path} HTTP/1.1" 404 46 "-" "-"`, '"-" "-"'],
  },
  {
    name: 'on a closed route',
    run: (made, path) => made.get(path, 'closed.example'),
    fields: WITHOUT_SERVICE,
    expected: () => ({ DownstreamStatus: 503, KubernetesIngressName: 'closed' }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 503 BYTES "-" "-"`,
      '"default-closed-closed-example@kubernetes" "-"',
    ],
  },
  {
    name: 'without a server',
    run: (made, path) => made.get(path, 'empty.example'),
    fields: WITHOUT_SERVER,
    expected: () => ({ DownstreamStatus: 503, ServiceName: 'default-empty-80@kubernetes' }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 503 BYTES "-" "-"`,
      '"default-empty-empty-example@kubernetes" "-"',
    ],
  },
  {
    name: 'to a server that refuses',
    run: (made, path) => made.get(path, 'gone.example'),
    fields: WITHOUT_ORIGIN,
    expected: ({ refusing }) => ({
      DownstreamStatus: 502,
      DownstreamStatusLine: '502 Bad Gateway',
      RetryAttempts: 0,
      ServiceAddr: refusing,
      ServiceName: 'default-gone-80@kubernetes',
      ServiceURL: `http://${refusing}`,
    }),
    common: ({ refusing }, path) => [
      `"GET ${path} HTTP/1.1" 502 BYTES "-" "-"`,
      `"default-gone-gone-example@kubernetes" "http://${refusing}"`,
    ],
  },
  {
    name: 'tried again at another server',
    run: async (made, path) => {
      // Round robin: the refusing server is asked first within two requests.
      for (let tries = 0; ; tries++) {
        await made.get(path + tries, 'retry.example')
        if (metric(await made.gateway.metrics(), 'traefik_service_retries_total') === 1) return path + tries
        assert.ok(tries < 2, 'no retry')
      }
    },
    fields: PROXIED_FIELDS,
    expected: ({ server }) => ({ DownstreamStatus: 200, RetryAttempts: 1, ServiceAddr: server.address }),
    common: ({ server }, path) => [
      `"GET ${path} HTTP/1.1" 200 2 "-" "-"`,
      `"default-retry-retry-example@kubernetes" "http://${server.address}"`,
    ],
  },
  {
    name: 'given up by the client before an answer',
    run: async ({ gateway }, path) => {
      await using held = await Held.ask(gateway, path)
      held.client.socket.destroy()
      await gateway.printed(new RegExp(path))
    },
    // The server was asked and never answered.
    fields: WITHOUT_ORIGIN,
    expected: () => ({ DownstreamStatus: 499, DownstreamContentSize: 0 }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 499 0 "-" "-"`,
      `"default-held-held-example@kubernetes" "http://${Held.address}"`,
    ],
  },
  {
    name: 'given up by the client in the middle',
    run: async ({ gateway }, path) => {
      await using held = await Held.ask(gateway, path)
      held.backend.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun')
      await held.client.until((each) => each.received.endsWith('begun'))
      held.client.socket.destroy()
      await gateway.printed(new RegExp(path))
    },
    fields: PROXIED_FIELDS,
    expected: () => ({ DownstreamStatus: 200, DownstreamContentSize: 5, OriginContentSize: 5 }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 200 5 "-" "-"`,
      `"default-held-held-example@kubernetes" "http://${Held.address}"`,
    ],
  },
  {
    name: 'cut by the server before an answer',
    run: async ({ gateway }, path) => {
      await using held = await Held.ask(gateway, path)
      held.backend.connection.socket.destroy()
      await held.client.until((each) => each.received.endsWith('\n'))
    },
    fields: WITHOUT_ORIGIN,
    expected: () => ({ DownstreamStatus: 502 }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 502 BYTES "-" "-"`,
      `"default-held-held-example@kubernetes" "http://${Held.address}"`,
    ],
  },
  {
    name: 'upgraded',
    run: async ({ gateway }, path) => {
      await using held = await Held.ask(gateway, path, 'Connection: Upgrade\r\nUpgrade: websocket\r\n')
      held.backend.connection.send(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      )
      await held.client.until((each) => each.received.includes(' 101 '))
      held.client.send('1234')
      await held.backend.connection.until((each) => each.received.endsWith('1234'))
      held.backend.connection.send('123456')
      await held.client.until((each) => each.received.endsWith('123456'))
      // A tunnel has its line when it is over.
      assert.doesNotMatch(gateway.output, new RegExp(path))
      held.client.socket.end()
      await held.backend.connection.until((each) => each.isEnded)
      held.backend.connection.socket.end()
      await gateway.printed(new RegExp(path))
    },
    fields: PROXIED_FIELDS,
    expected: () => ({
      DownstreamStatus: 101,
      DownstreamStatusLine: '101 Switching Protocols',
      DownstreamContentSize: 6,
      OriginStatus: 101,
      OriginContentSize: 6,
      RequestContentSize: 4,
    }),
    common: (_, path) => [
      `"GET ${path} HTTP/1.1" 101 6 "-" "-"`,
      `"default-held-held-example@kubernetes" "http://${Held.address}"`,
    ],
  },
  {
    name: 'of a path that nothing serves as it is',
    run: (made, path) => made.get(`${path}/%zz`),
    fields: WITHOUT_ROUTER,
    expected: () => ({ DownstreamStatus: 400 }),
    common: (_, path) => [`"GET ${path}/%zz HTTP/1.1" 400 BYTES "-" "-"`, '"-" "-"'],
  },
]

/** A request to `held.example`, which the test answers itself. */
class Held implements AsyncDisposable {
  static address = ''
  static server: RawServer
  readonly client: Awaited<ReturnType<typeof rawClient>>
  readonly backend: HttpReader

  private constructor(client: Awaited<ReturnType<typeof rawClient>>, backend: HttpReader) {
    this.client = client
    this.backend = backend
  }

  static async ask(gateway: GatewayProcess, path: string, lines = ''): Promise<Held> {
    const { connections } = Held.server
    const before = connections.length
    const client = await rawClient(gateway.web)
    client.send(`GET ${path} HTTP/1.1\r\nHost: held.example\r\n${lines}\r\n`)
    const backend = new HttpReader(await Held.server.connection(before))
    await backend.request()
    return new Held(client, backend)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.socket.destroy()
    this.backend.connection.socket.destroy()
    await this.backend.connection.until((each) => each.isClosed)
  }
}

for (const format of ['json', 'common'] as const) {
  test(`${format}: one line per request, and every field of it is right`, async (t) => {
    await using server = await RawServer.answering((head) =>
      head.includes('HEAD ')
        ? 'HTTP/1.1 204 No Content\r\n\r\n'
        : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    )
    await using held = await RawServer.start()
    Held.server = held
    Held.address = held.address
    const refusing = refusingAddress(server)
    const host = (name: string, annotations = {}) =>
      ingress({ name, host: `${name}.example`, paths: [{ service: name }], annotations })
    await using gateway = await GatewayProcess.start({
      flags: [
        '--accessLog',
        `--accessLog.format=${format}`,
        '--accessLog.bufferingSize=1',
        '--entryPoints.trusted.address=127.0.0.1:0',
        '--entryPoints.trusted.forwardedHeaders.trustedIPs=127.0.0.0/8',
      ],
      manifests: {
        'hosts.yaml': [
          ingress({ host: 'a.example', paths: [{ service: 'a' }] }),
          ingress({
            name: 'redirect',
            host: 'redirect.example',
            paths: [{ service: 'a' }],
            annotations: FORCE_TLS,
          }),
          host('closed', CLOSED),
          host('empty'),
          host('gone'),
          host('retry'),
          host('held'),
        ].join('\n---\n'),
        'services.yaml': [
          service('a', [server.address]),
          service('closed', [server.address]),
          service('empty', []),
          service('gone', [refusing]),
          service('retry', [refusing, server.address]),
          service('held', [held.address]),
        ].join('\n---\n'),
      },
    })
    const made = new Case(gateway, server, refusing)
    const startedAt = Date.now()
    for (const [index, each] of CASES.entries()) {
      await t.test(each.name, async () => {
        const asked = `/case-${index}z`
        const result = await each.run(made, asked)
        const path = typeof result === 'string' && result.startsWith(asked) ? result : asked
        await gateway.printed(new RegExp(`${path}[^0-9][^]*\n`))
        const lines = gateway.output.split('\n').filter((line) => line.includes(path))
        assert.equal(lines.length, 1, lines.join('\n'))
        if (format === 'json') checkJson(each, made, lines[0]!, startedAt)
        else checkCommon(each, made, path, lines[0]!, startedAt)
      })
    }
    await t.test('the requests are numbered', () => {
      const numbers = gateway.output
        .trimEnd()
        .split('\n')
        .map((line) => Number(/(?:"RequestCount":|" )(\d+)[, ]"/.exec(line)?.[1]))
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
      )
    })
  })
}

function checkJson(each: CaseTable, made: Case, line: string, startedAt: number): void {
  const entry = JSON.parse(line) as Entry
  assert.deepEqual(Object.keys(entry), [...each.fields].toSorted())
  for (const [name, value] of Object.entries(each.expected(made))) {
    assert.deepEqual(entry[name], value, `${name} in ${line}`)
  }
  const text = (name: string): string => String(entry[name])
  const number = (name: string): number => Number(entry[name])
  assert.equal(text('ClientAddr'), `127.0.0.1:${text('ClientPort')}`)
  assert.equal(
    text('RequestLine'),
    `${text('RequestMethod')} ${text('RequestPath')} ${text('RequestProtocol')}`,
  )
  assert.match(text('RequestID'), /^([0-9a-f]{32}|chosen)$/)
  const start = Date.parse(text('StartUTC'))
  // The clock of a worker ticks every 20 ms.
  assert.ok(start >= startedAt - 100 && start <= Date.now(), text('StartUTC'))
  assert.equal(Date.parse(text('StartLocal')), start)
  const end = start + number('Duration') / 1e6
  assert.equal(Date.parse(text('time')), Math.floor(end / 1000) * 1000)
  assert.ok(number('Duration') > 0 && number('Duration') < 30e9, text('Duration'))
  if (entry['OriginDuration'] !== undefined) {
    assert.ok(number('OriginDuration') > 0)
    assert.equal(number('Overhead') + number('OriginDuration'), number('Duration'))
  }
}

function checkCommon(each: CaseTable, made: Case, path: string, line: string, startedAt: number): void {
  const pattern = /^(\S+) - - \[([^\]]+)\] (".*" "-") (\d+) (".*") (\d+)ms$/
  const match = pattern.exec(line)
  assert.ok(match !== null, line)
  const [, client, time, request, , target, duration] = match
  assert.equal(client, each.name === 'from behind a trusted proxy' ? '192.0.2.7' : '127.0.0.1')
  // 21/Nov/2026:15:32:39 +0000
  const at = Date.parse((time ?? '').replace(/^(\d+)\/(\w+)\/(\d+):/, '$1 $2 $3 '))
  assert.ok(at >= startedAt - 1100 && at <= Date.now(), line)
  const [before, behind] = each.common(made, path)
  if (before.includes('BYTES')) {
    const [head, tail] = before.split('BYTES')
    assert.ok(request!.startsWith(head!) && request!.endsWith(tail!), line)
    assert.match(request!.slice((head ?? '').length, -(tail ?? '').length), /^[1-9]\d*$/)
  } else {
    assert.equal(request, before)
  }
  assert.equal(target, behind)
  assert.ok(Number(duration) < 30_000)
}

function start(server: RawServer, options: Partial<GatewayOptions> = {}): Promise<GatewayProcess> {
  return GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ paths: [{ service: 'a' }] }),
      'services.yaml': service('a', [server.address]),
    },
    ...options,
  })
}

const KEEP_HEADERS = '--accessLog.fields.headers.defaultMode=keep'

test('whatever a client sends, a line is one line of printable ASCII and says what it was', async (t) => {
  await using server = await namedServer('ok')
  const agents: readonly (readonly [name: string, sent: string, common: string, json: string])[] = [
    ['quotes and backslashes', 'a"b\\c" 200 0 "', 'a\\x22b\\x5cc\\x22 200 0 \\x22', 'a"b\\c" 200 0 "'],
    ['a tab', 'a\tb', 'a\\x09b', 'a\tb'],
    ['UTF-8', 'na\xc3\xafve', 'na\\xc3\\xafve', 'na\u00efve'],
    ['no UTF-8', 'a\xff\xfeb', 'a\\xff\\xfeb', 'a\u00ff\u00feb'],
    ['C1 controls', 'a\x85\x9bb', 'a\\x85\\x9bb', 'a\u0085\u009bb'],
    ['a line separator of Unicode', 'a\xe2\x80\xa8b', 'a\\xe2\\x80\\xa8b', 'a\u2028b'],
    [
      'a long one',
      'x'.repeat(20_000),
      `${'x'.repeat(8192)}...[11808 more]`,
      `${'x'.repeat(8192)}...[11808 more]`,
    ],
  ]
  for (const format of ['common', 'json'] as const) {
    await using gateway = await start(server, {
      flags: ['--accessLog', `--accessLog.format=${format}`, KEEP_HEADERS],
    })
    const ask = (target: string, lines: string): Promise<string> =>
      exchangeBytes(
        gateway.web,
        `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${lines}\r\n`,
      )
    for (const [index, [, sent]] of agents.entries()) {
      const answer = await ask(`/agent-${index}?q="'<\\>`, `User-Agent: ${sent}\r\nReferer: "${index}"\r\n`)
      assert.match(answer, /^HTTP\/1\.1 200 /)
    }
    // A value that ends the head and begins a line of its own is not one request, and no line of the log.
    for (const value of ['a\r\n\r\nforged', 'a\nforged', 'a\rforged', 'a\0forged', 'a\x1b[2Jforged']) {
      await ask('/control', `User-Agent: ${value}\r\n`)
    }
    await ask('/last', '')
    await gateway.printed(/\/last[^]*\n/)
    const lines = gateway.output.split('\n').slice(0, -1)
    for (const line of lines) assert.match(line, /^[\x20-\x7e]+$/)
    assert.ok(lines.every((line) => line.length < 20_000))
    for (const [index, [name, , common, json]] of agents.entries()) {
      await t.test(`${format}: ${name}`, () => {
        const own = lines.filter((line) => line.includes(`/agent-${index}?`))
        assert.equal(own.length, 1)
        if (format === 'common') {
          const request = `"GET /agent-${index}?q=\\x22'<\\x5c> HTTP/1.1" 200 2`
          assert.ok(own[0]?.includes(`${request} "\\x22${index}\\x22" "${common}" `), lines.join('\n'))
        } else {
          const entry = JSON.parse(own[0]!) as Entry
          assert.equal(entry['request_User-Agent'], json)
          assert.equal(entry['request_Referer'], `"${index}"`)
          assert.equal(entry['RequestPath'], `/agent-${index}?q="'<\\>`)
          assert.equal(entry['downstream_Content-Length'], '2')
          assert.equal(entry['origin_Content-Length'], '2')
        }
      })
    }
    await t.test(`${format}: nothing forged`, () => {
      assert.deepEqual(
        lines.filter((line) => line.includes('forged')),
        [],
      )
      // The complete request before the forged one is a request, and has its line.
      assert.equal(lines.filter((line) => line.includes('/control')).length, 1)
    })
  }
})

test('headers are kept, dropped and redacted, queries too, and filters choose lines', async () => {
  await using server = await RawServer.answering((head) =>
    head.includes(' /odd')
      ? 'HTTP/1.1 418 Odd\r\nContent-Length: 0\r\n\r\n'
      : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  )
  await using gateway = await start(server, {
    flags: [
      '--accessLog.format=json',
      '--accessLog.filters.statusCodes=404,410-499',
      '--accessLog.fields.defaultMode=drop',
      '--accessLog.fields.names.requestpath=keep',
      '--accessLog.fields.names.DownstreamStatus=keep',
      '--accessLog.fields.headers.names.authorization=redact',
      '--accessLog.fields.headers.names.X-Kept=keep',
    ],
  })
  for (const target of ['/fine', '/odd?a=1', '/fine', '/odd?last']) {
    await exchangeBytes(
      gateway.web,
      `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nAuthorization: Basic c2VjcmV0\r\n` +
        'X-Kept: 1\r\nX-Kept: 2\r\nX-Dropped: 3\r\n\r\n',
    )
  }
  await gateway.printed(/last[^]*\n/)
  const shown = gateway.output.split('\n').slice(0, -1)
  assert.equal(shown.length, 2)
  const { time, ...rest } = JSON.parse(shown[0]!) as Entry
  assert.equal(typeof time, 'string')
  assert.deepEqual(rest, {
    DownstreamStatus: 418,
    RequestPath: '/odd?a=1',
    level: 'info',
    msg: '',
    request_Authorization: 'REDACTED',
    'request_X-Kept': '1, 2',
  })
})

test('a request that cannot be read is counted by its error and has no line', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { flags: ['--accessLog', '--accessLog.bufferingSize=1'] })
  const malformed: readonly (readonly [code: string, bytes: string])[] = [
    ['bare-lf', 'GET /malformed HTTP/1.1\nHost: a.example\r\n\r\n'],
    ['missing-host', 'GET /malformed HTTP/1.1\r\n\r\n'],
    ['space-before-colon', 'GET /malformed HTTP/1.1\r\nHost : a.example\r\n\r\n'],
    ['unsupported-version', 'GET /malformed HTTP/2.1\r\nHost: a.example\r\n\r\n'],
    ['head-too-large', `GET /malformed HTTP/1.1\r\nHost: a.example\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`],
  ]
  for (const [code, bytes] of malformed) {
    assert.match(await exchangeBytes(gateway.web, bytes), /^HTTP\/1\.1 (400|431|505) /, code)
  }
  await exchangeBytes(gateway.web, 'GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
  await gateway.printed(/last[^]*\n/)
  assert.doesNotMatch(gateway.output, /malformed/)
  const text = await gateway.metrics()
  for (const [code] of malformed) {
    assert.equal(metric(text, 'sekisho_http_parse_errors_total', { side: 'downstream', code }), 1, code)
  }
  assert.equal(metric(text, 'traefik_entrypoint_requests_total', { entrypoint: 'web' }), 1)
})

test('log rotation under load: no line is lost, torn or there twice', async (t) => {
  await using server = await namedServer('ok')
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'logs', 'access.log')
  await using gateway = await start(server, {
    workers: 2,
    flags: [`--accessLog.filePath=${file}`, '--accessLog.format=json'],
  })
  using load = new Load({
    port: gateway.web,
    connections: 8,
    perSecond: scaled(2000),
    host: (index) => `r-${index}.example`,
  })
  const ROTATIONS = 8
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    await load.more(scaled(500))
    await rename(file, `${file}.${rotation}`)
    gateway.signal('SIGUSR1')
    await gateway.until(async () => (await readdir(join(folder.path, 'logs'))).includes('access.log'))
  }
  await load.more(scaled(500))
  await load.stop()
  assert.deepEqual(load.failures, [])
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
  const names = await readdir(join(folder.path, 'logs'))
  assert.equal(names.length, ROTATIONS + 1)
  const seen = new Map<string, number>()
  const numbers = new Set<number>()
  for (const name of names) {
    const text = readFileSync(join(folder.path, 'logs', name), 'latin1')
    assert.ok(text.endsWith('}\n'), name)
    for (const line of text.trimEnd().split('\n')) {
      const { RequestHost, RequestCount } = JSON.parse(line) as { RequestHost: string; RequestCount: number }
      seen.set(RequestHost, (seen.get(RequestHost) ?? 0) + 1)
      numbers.add(RequestCount)
    }
  }
  t.diagnostic(`${load.ok} requests, ${ROTATIONS} rotations, ${seen.size} lines`)
  assert.equal(seen.size, load.sent)
  assert.ok([...seen.values()].every((count) => count === 1))
  assert.equal(numbers.size, load.sent)
})

/** One request per connection, all at the same time. */
async function burst(gateway: GatewayProcess, count: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: count }, () =>
      exchangeBytes(gateway.web, 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'),
    ),
  )
  for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /)
}

/** Of 48 kB in the log. */
const LONG_HEAD = Object.fromEntries(
  Array.from({ length: 6 }, (_, index) => [`x-long-${index}`, 'x'.repeat(8000)]),
)

test('standard output that nobody reads holds up neither requests nor changes; lost lines are counted', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, {
    // More than libuv has threads for files.
    workers: 5,
    flags: ['--accessLog.format=json', KEEP_HEADERS],
  })
  gateway.child.stdout!.pause()
  const lost = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_access_log_dropped_lines_total')
  assert.equal(await lost(), 0)
  const ask = async (): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${gateway.web}/`, { headers: LONG_HEAD })
    assert.equal(await answer.text(), 'ok')
  }
  // 4 MiB of lines wait in each worker at most.
  for (let round = 0; (await lost()) < 100; round++) {
    assert.ok(round < 200, 'nothing is lost')
    await Promise.all(Array.from({ length: 50 }, ask))
  }
  // Files are still read: a change takes effect.
  await gateway.replace('web.yaml', ingress({ host: 'b.example', paths: [{ service: 'a' }] }))
  await gateway.until(async () => (await fetch(`http://127.0.0.1:${gateway.web}/`)).status === 404, 5000)
  gateway.child.stdout!.resume()
  await gateway.replace('web.yaml', ingress({ paths: [{ service: 'a' }] }))
  // Lines come through again. The long ones may be mixed: they are longer than what the kernel writes at once.
  await gateway.until(async () => {
    const { status } = await fetch(`http://127.0.0.1:${gateway.web}/again`)
    return status === 200 && gateway.output.includes('"RequestPath":"/again"')
  })
})

test('a log on a full device fails no request; lost lines are counted, and the log says so once', async () => {
  await using server = await namedServer('ok')
  await using gateway = await start(server, { flags: ['--accessLog.filePath=/dev/full'] })
  const lost = async (): Promise<number> =>
    metric(await gateway.metrics(), 'sekisho_access_log_dropped_lines_total')
  for (let round = 1; round <= 3; round++) {
    await burst(gateway, 20)
    await gateway.until(async () => (await lost()) === round * 20)
  }
  assert.equal(gateway.log.split('cannot write the access log').length - 1, 1, gateway.log)
  assert.match(gateway.log, /ERR cannot write the access log .*ENOSPC/)
  gateway.signal('SIGTERM')
  assert.equal(await gateway.exited, 0)
})

/** Runs the program with a broken certificate until it has said `until` on standard error, and ends it. */
async function logOf(flags: readonly string[], file?: string): Promise<string> {
  await using folder = await TemporaryFolder.make()
  const crt = { certificate: 'none', key: 'none' }
  await writeFile(join(folder.path, 'secret.yaml'), tlsSecret('broken', crt))
  await writeFile(
    join(folder.path, 'web.yaml'),
    ingress({ paths: [{ service: 'missing' }], tls: { hosts: ['a.example'], secretName: 'broken' } }),
  )
  const child = spawn(
    PROGRAM,
    [
      'up',
      folder.path,
      '--entryPoints.web.address=127.0.0.1:0',
      '--entryPoints.traefik.address=127.0.0.1:0',
      '--workers=1',
      ...flags,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  try {
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    const said = (): string =>
      file === undefined ? text : existsSync(file) ? readFileSync(file, 'utf8') : ''
    await until(() => said().includes('certificate-unreadable'), 30_000, said)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0)
    if (file !== undefined) assert.equal(text, '')
    return said()
  } finally {
    child.kill('SIGKILL')
  }
}

test('the log: levels, JSON, a file', async (t) => {
  const levelsOf = (text: string): Set<string> =>
    new Set(
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[1]!),
    )
  await t.test('INFO unless told', async () => {
    assert.deepEqual(levelsOf(await logOf([])), new Set(['ERR', 'WRN', 'INF']))
  })
  await t.test('ERROR alone', async () => {
    assert.deepEqual(levelsOf(await logOf(['--log.level=error'])), new Set(['ERR']))
  })
  await t.test('DEBUG', async () => {
    assert.ok(levelsOf(await logOf(['--log.level=DEBUG'])).has('DBG'))
  })
  await t.test('JSON', async () => {
    const text = await logOf(['--log.format=json', '--log.level=WARN'])
    for (const line of text.trimEnd().split('\n')) {
      const { level, time, message } = JSON.parse(line) as Entry
      assert.match(String(level), /^(warn|error)$/)
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
      assert.equal(typeof message, 'string')
    }
    const entry = text.split('\n').find((line) => line.includes('certificate-unreadable'))!
    const { finding, object, place, hint } = JSON.parse(entry) as Record<string, string>
    assert.equal(finding, 'certificate-unreadable')
    assert.equal(object, 'Secret default/broken')
    assert.match(place ?? '', /secret\.yaml:1:1$/)
    assert.match(hint ?? '', /PEM/)
  })
  await t.test('a file', async () => {
    await using folder = await TemporaryFolder.make()
    const file = join(folder.path, 'deep', 'log')
    assert.match(await logOf([`--log.filePath=${file}`], file), / INF serving [^]* INF ended\n$/)
  })
})

class TemporaryFolder implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await mkdtemp(join(tmpdir(), 'sekisho-logs-')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}
