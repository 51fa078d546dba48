/** One line of the access log per request: every field of it, in both formats, for whatever may become of a request. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayProcess } from './bed/gateway-process.ts'
import { HttpReader } from './bed/http-reader.ts'
import { ingress, refusingAddress, service } from './bed/manifests.ts'
import { metric } from './bed/metrics-text.ts'
import { exchangeBytes, rawClient, RawServer } from './bed/raw-peer.ts'
import { tlsClient } from './bed/tls-peer.ts'

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
