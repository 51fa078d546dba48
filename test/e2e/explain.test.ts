/**
 * `explain` against the data plane: random manifests and random requests near their rules, each asked of the function
 * behind `sekisho explain` and of a gateway that runs on the same directory. Both must name the same router, service,
 * target, status, redirect and certificate. SEKISHO_EXPLAIN_SEED repeats one round of a run.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { after, test } from 'node:test'
import { issueCertificate } from '#certs/issue.ts'
import { decodeStatic } from '#config/static/static.ts'
import { explainInSnapshot } from '../../src/cmd/explain.ts'
import { readSnapshot } from '../../src/cmd/snapshot.ts'
import { Random } from '../fuzz/random.ts'
import { Asker } from './bed/asker.ts'
import { endAll } from './bed/backends.ts'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { scaled } from './bed/modes.ts'
import { randomManifests, type NamedCertificate } from './bed/random-manifests.ts'
import { randomRequest, type RandomRequest } from './bed/random-requests.ts'
import { RawServer } from './bed/raw-peer.ts'

const REQUESTS = scaled(10_000)
const REQUESTS_PER_ROUND = 125
const SERVERS = 8
const AT_ONCE = 8
const MAX_REPORTED = 10

type Explanation = ReturnType<typeof explainInSnapshot>
type Snapshot = Awaited<ReturnType<typeof readSnapshot>>

/** What the gateway did. */
interface Observation {
  readonly status: number
  readonly location: string | undefined
  readonly requestId: string
  /** `METHOD target` as a server saw it, undefined: no server was asked. */
  readonly seen: string | undefined
  readonly serverPort: string | undefined
}

interface LogLine {
  readonly RequestID?: string
  readonly RouterName?: string
  readonly ServiceName?: string
  readonly DownstreamStatus?: number
}

/** Tells its port, the request line and the request's id. */
async function tellingServer(): Promise<RawServer> {
  const server: RawServer = await RawServer.answering((head) => {
    const line = head.slice(0, head.indexOf(' HTTP/1.1'))
    const id = /^x-request-id: (.*)\r$/im.exec(head)?.[1] ?? ''
    const body = `${server.port}\n${id}\n${line}`
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  return server
}

const servers = await Promise.all(Array.from({ length: SERVERS }, tellingServer))
after(() => endAll(servers))

const certificates = [['a.example'], ['*.b.example', 'b.example'], ['*.example']].map(certificateFor)

function certificateFor(dnsNames: readonly string[]): NamedCertificate {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const commonName = dnsNames[0]!
  const certificate = issueCertificate({
    commonName,
    dnsNames,
    notBefore: Date.now() - 86_400_000,
    notAfter: Date.now() + 90 * 86_400_000,
    subjectKey: privateKey,
    issuer: { commonName, key: privateKey },
  })
  return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

const seed = process.env['SEKISHO_EXPLAIN_SEED']
const firstSeed = seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seed)

for (const flags of [[], ['--compat=ingress-nginx'], ['--ingress-class=edge']]) {
  const habits = flags[0] ?? 'no flags'
  // Plain manifests are the common case.
  const requests = seed === undefined ? Math.ceil(REQUESTS * (flags.length === 0 ? 0.5 : 0.25)) : 1
  test(`explain says what the gateway does with random requests (${habits})`, async (t) => {
    await using gateway = await GatewayProcess.start({
      manifests: {},
      flags: ['--accessLog', '--accessLog.format=json', ...flags],
    })
    const bed = new Bed(gateway, flags)
    const rounds = Math.ceil(requests / REQUESTS_PER_ROUND)
    for (let round = 0; round < rounds; round++) await bed.round(firstSeed + round)
    t.diagnostic(
      `${habits}: ${bed.asked} requests, seeds ${firstSeed} to ${firstSeed + rounds - 1}: ` +
        [...bed.outcomes].map(([kind, count]) => `${kind} ${count}`).join(', ') +
        `; ${bed.certificatesCompared} certificates`,
    )
    assert.equal(bed.mismatches.length, 0, bed.mismatches.slice(0, MAX_REPORTED).join('\n\n'))
    assert.equal(bed.asked, rounds * REQUESTS_PER_ROUND)
    // Who never serves anything agrees easily. A few rounds may lack one of them.
    if (rounds >= 40) {
      for (const kind of ['forwarded', 'no-route', 'closed', 'answered', 'refused']) {
        assert.ok((bed.outcomes.get(kind) ?? 0) > 0, `no request ended as ${kind}`)
      }
    }
  })
}

class Bed {
  readonly mismatches: string[] = []
  readonly outcomes = new Map<string, number>()
  asked = 0
  certificatesCompared = 0
  readonly #gateway: GatewayProcess
  readonly #config: Parameters<typeof explainInSnapshot>[2]

  constructor(gateway: GatewayProcess, flags: readonly string[]) {
    this.#gateway = gateway
    const decoded = decodeStatic({
      entryPoints: {
        web: { address: `127.0.0.1:${gateway.web}` },
        websecure: { address: `127.0.0.1:${gateway.websecure}`, http: { tls: true } },
      },
      ...Object.fromEntries(
        flags.map((flag) => {
          const [name, value] = flag.slice(2).split('=')
          return [name === 'ingress-class' ? 'ingressClass' : name!, value]
        }),
      ),
    })
    assert.ok(decoded.ok)
    this.#config = decoded.config
  }

  async round(roundSeed: number): Promise<void> {
    const random = new Random(roundSeed)
    const manifests = randomManifests(random, {
      servers: servers.map((server) => server.address),
      certificates,
    })
    // Written with the rest and of the class that is served: when it answers, the whole file is in force.
    const sign = `round-${roundSeed}-${this.asked}`
    const marker = [
      ingress({
        name: 'marker',
        namespace: 'marker',
        host: 'marker.test',
        className: 'edge',
        annotations: { 'nginx.ingress.kubernetes.io/rewrite-target': `/${sign}` },
        paths: [{ service: 'm', path: '/marker', pathType: 'Exact' }],
      }),
      service('m', [servers[0]!.address], 'marker'),
    ]
    await this.#gateway.replace('all.yaml', [manifests.text, ...marker].join('\n---\n'))
    using plain = new Asker({ port: this.#gateway.web })
    await this.#gateway.until(async () =>
      (await plain.ask('GET /marker HTTP/1.1\r\nHost: marker.test\r\n\r\n')).body.endsWith(`GET /${sign}`),
    )
    const snapshot = await readSnapshot(this.#gateway.dir, this.#config)
    const requests = Array.from({ length: REQUESTS_PER_ROUND }, () =>
      randomRequest(random, manifests.hosts, manifests.paths),
    )
    const observations = await this.#askAll(requests)
    const lines = await this.#logLines(observations)
    for (const [index, request] of requests.entries()) {
      const observed = observations[index]!
      const explanation = this.#explain(request, snapshot)
      const { kind } = explanation.outcome
      this.outcomes.set(kind, (this.outcomes.get(kind) ?? 0) + 1)
      const difference = compare(request, explanation, observed, lines.get(observed.requestId))
      if (difference === '') continue
      this.mismatches.push(
        `SEKISHO_EXPLAIN_SEED=${roundSeed}: ${request.method} ${JSON.stringify(urlOf(request))}: ${difference}\n` +
          `  explained: ${explanation.route?.name} ${JSON.stringify(explanation.outcome)}\n` +
          `  observed: ${JSON.stringify(observed)}`,
      )
    }
    await this.#compareCertificates(requests, snapshot, roundSeed)
    this.asked += requests.length
  }

  #explain(request: RandomRequest, snapshot: Snapshot): Explanation {
    return explainInSnapshot(urlOf(request), snapshot, this.#config, {
      method: request.method,
      via: request.scheme === 'http' ? 'web' : 'websecure',
      clientAddress: '127.0.0.1',
    })
  }

  async #askAll(requests: readonly RandomRequest[]): Promise<Observation[]> {
    const observations: Observation[] = []
    let next = 0
    const one = async (): Promise<void> => {
      using plain = new Asker({ port: this.#gateway.web })
      using secure = new Asker({ port: this.#gateway.websecure, tls: { serverName: '' } })
      while (next < requests.length) {
        const index = next++
        const request = requests[index]!
        const asker = request.scheme === 'http' ? plain : secure
        const answer = await asker.ask(
          `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.authority}\r\nContent-Length: 0\r\n\r\n`,
        )
        const own = asker.header(answer, 'x-request-id')
        // Our own answers carry the id, a server's answer says which one it got.
        const [serverPort, id, seen] = own === undefined ? answer.body.split('\n') : [undefined, own]
        observations[index] = {
          status: answer.status,
          location: asker.header(answer, 'location'),
          requestId: id ?? '',
          seen,
          serverPort,
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one))
    return observations
  }

  /** Access log by request id; what ends before it is a request has no line. */
  async #logLines(observations: readonly Observation[]): Promise<Map<string, LogLine>> {
    const wanted = observations.filter(({ status }) => status !== 400).map(({ requestId }) => requestId)
    const lines = new Map<string, LogLine>()
    await this.#gateway.until(() => {
      const { output } = this.#gateway
      const end = output.lastIndexOf('\n') + 1
      this.#gateway.output = output.slice(end)
      for (const text of output.slice(0, end).split('\n')) {
        if (text === '') continue
        const line = JSON.parse(text) as LogLine
        lines.set(line.RequestID ?? '', line)
      }
      return wanted.every((id) => lines.has(id))
    })
    return lines
  }

  async #compareCertificates(
    requests: readonly RandomRequest[],
    snapshot: Snapshot,
    roundSeed: number,
  ): Promise<void> {
    const names = new Set(
      requests
        .map(({ authority }) => authority.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, ''))
        .filter((name) => /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/.test(name)),
    )
    for (const name of [...names].slice(0, 10)) {
      using asker = new Asker({ port: this.#gateway.websecure, tls: { serverName: name } })
      await asker.ask(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`).catch(() => undefined)
      const shown = asker.fingerprint
      const explained = this.#explain(
        { scheme: 'https', method: 'GET', authority: name, target: '/' },
        snapshot,
      )
      const own = [...snapshot.certificates.certificates()]
        .filter(({ config }) => explained.certificate!.names.includes(config.name))
        .map(({ config }) => new X509Certificate(config.certificate).fingerprint256)
      const isDefault = explained.certificate!.matched === 'default'
      const isSame = isDefault ? !KNOWN.has(shown) : own.includes(shown)
      this.certificatesCompared++
      if (shown !== '' && isSame) continue
      this.mismatches.push(
        `SEKISHO_EXPLAIN_SEED=${roundSeed}: certificate for ${name}: explained ${JSON.stringify(explained.certificate)}, shown ${KNOWN.get(shown) ?? shown}`,
      )
    }
  }
}

const KNOWN = new Map(
  certificates.map(({ certificate }, index) => [
    new X509Certificate(certificate).fingerprint256,
    `certificate ${index}`,
  ]),
)

/** Empty: they agree. */
function compare(
  request: RandomRequest,
  { outcome, route, service: explained }: Explanation,
  observed: Observation,
  line: LogLine | undefined,
): string {
  if (outcome.kind === 'no-listener') return 'no listener'
  const status = outcome.kind === 'forwarded' ? 200 : outcome.status
  if (observed.status !== status) return `status ${observed.status}, explained ${status}`
  if (outcome.kind === 'refused') return observed.seen === undefined ? '' : 'a server was asked'
  if (line === undefined) return 'no line in the access log'
  if ((line.RouterName ?? null) !== (route?.name ?? null)) {
    return `router ${line.RouterName}, explained ${route?.name}`
  }
  if (outcome.kind === 'answered' && (observed.location ?? null) !== outcome.location) {
    return `location ${observed.location}, explained ${outcome.location}`
  }
  if (outcome.kind !== 'forwarded') return observed.seen === undefined ? '' : 'a server was asked'
  if (line.ServiceName !== outcome.service) return `service ${line.ServiceName}, explained ${outcome.service}`
  const target = `${request.method} ${outcome.target}`
  if (observed.seen !== target) return `target ${observed.seen}, explained ${target}`
  const all = explained?.servers ?? []
  const server = all.find(({ id }) => id.endsWith(`:${observed.serverPort}`))
  if (server === undefined) return `server ${observed.serverPort} is not listed`
  const hasReady = all.some(({ state }) => state === 'ready')
  if (hasReady && server.state !== 'ready') return `server ${server.id} is ${server.state}`
  return ''
}

/** As a user writes it: bytes that are UTF-8 as text. */
function urlOf({ scheme, authority, target }: RandomRequest): string {
  return `${scheme}://${authority}${Buffer.from(target, 'latin1').toString('utf8')}`
}
