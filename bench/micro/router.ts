/**
 * What the routing program costs: per match with one and with 100,000 routers (first, middle and last of them
 * asked, and all in turn), per change, and memory per router of the program's own structures.
 * Run: node bench/micro/router.ts [routers]
 *
 * Sizes are interleaved in each round, and hosts and paths are text as a parser makes it: cut from a buffer.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { RouterConfig } from '#config/model/dynamic.ts'
import { normalizeHost } from '#proxy/router/host.ts'
import { normalizePath } from '#proxy/router/path.ts'
import { RoutingProgram } from '#proxy/router/program.ts'

const COUNT = Number(process.argv[2] ?? 100_000)
const MATCHES = 200_000
const ROUNDS = 11

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Payload {
  readonly id: number
}

interface Shape {
  readonly name: string
  readonly host: (index: number) => string
  readonly path: (index: number) => string
}

const SHAPES: Shape[] = [
  { name: `${COUNT} hosts, one path`, host: (i) => `host-${i}.shop.example`, path: () => '/' },
  {
    name: `one host, ${COUNT} prefixes`,
    host: () => 'api.shop.example',
    path: (i) => `/tenants/${i}/orders`,
  },
  {
    name: `${COUNT / 100} hosts, 100 prefixes each`,
    host: (i) => `host-${Math.floor(i / 100)}.shop.example`,
    path: (i) => `/service-${i % 100}`,
  },
]

function makeRouter(shape: Shape, index: number): RouterConfig {
  return {
    name: `shop-${index}@bench`,
    host: { kind: 'exact', name: shape.host(index) },
    path: { kind: 'prefix', value: shape.path(index) },
    order: { rank: 0, priority: 0n, created: 1_700_000_000_000 + index },
    scheme: 'both',
    middlewares: [],
    origin: { provider: 'bench', kind: 'Ingress', namespace: 'shop', name: `shop-${index}` },
  }
}

/** Text that is no literal of this file and has no hash yet. */
function wireText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

function median(samples: number[]): number {
  return samples.sort((a, b) => a - b)[samples.length >> 1] ?? 0
}

let sink = 0

function matchCost(program: RoutingProgram<Payload>, hosts: string[], paths: string[]): number {
  const mask = hosts.length - 1
  const start = process.hrtime.bigint()
  for (let i = 0; i < MATCHES; i++) {
    const at = i & mask
    sink += program.match('web', hosts[at] as string, paths[at] as string, false)?.id ?? 0
  }
  return Number(process.hrtime.bigint() - start) / MATCHES
}

/** As a request does it: new text, normal forms, match. */
function requestCost(program: RoutingProgram<Payload>, hosts: Buffer[], paths: Buffer[]): number {
  const mask = hosts.length - 1
  const start = process.hrtime.bigint()
  for (let i = 0; i < MATCHES; i++) {
    const at = i & mask
    const host = normalizeHost((hosts[at] as Buffer).toString('latin1')) ?? ''
    const path = normalizePath((paths[at] as Buffer).toString('latin1')) ?? ''
    sink += program.match('web', host, path, false)?.id ?? 0
  }
  return Number(process.hrtime.bigint() - start) / MATCHES
}

for (const shape of SHAPES) {
  const routers = Array.from({ length: COUNT }, (_, index) => makeRouter(shape, index))
  const payloads: Payload[] = routers.map((_, id) => ({ id: id + 1 }))
  collect()
  const before = process.memoryUsage().heapUsed
  const large = new RoutingProgram<Payload>()
  const start = process.hrtime.bigint()
  routers.forEach((router, index) => large.set(router, payloads[index] as Payload))
  const fill = Number(process.hrtime.bigint() - start) / COUNT / 1000
  collect()
  const bytes = (process.memoryUsage().heapUsed - before) / COUNT

  const places: [string, number][] = [
    ['first', 0],
    ['middle', COUNT >> 1],
    ['last', COUNT - 1],
  ]
  const costs = new Map<string, number[]>()
  const note = (key: string, cost: number): void => {
    costs.set(key, [...(costs.get(key) ?? []), cost])
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [place, index] of places) {
      const one = new RoutingProgram<Payload>()
      one.set(routers[index] as RouterConfig, payloads[index] as Payload)
      const host = wireText(shape.host(index))
      const path = wireText(`${shape.path(index)}/items`.replace('//', '/'))
      note(`one ${place}`, matchCost(one, [host], [path]))
      note(`all ${place}`, matchCost(large, [host], [path]))
      const raw = [Buffer.from(host)]
      const rawPath = [Buffer.from(path)]
      note(`one request ${place}`, requestCost(one, raw, rawPath))
      note(`all request ${place}`, requestCost(large, raw, rawPath))
    }
    const spread = Array.from({ length: 4096 }, (_, i) => Math.floor((i * COUNT) / 4096))
    const hosts = spread.map((index) => wireText(shape.host(index)))
    const paths = spread.map((index) => wireText(shape.path(index)))
    note('all in turn', matchCost(large, hosts, paths))
  }

  const changes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const from = process.hrtime.bigint()
    for (let i = 0; i < 1000; i++) {
      const index = (i * 97 + round) % COUNT
      large.remove(`shop-${index}@bench`)
      large.set(routers[index] as RouterConfig, payloads[index] as Payload)
    }
    changes.push(Number(process.hrtime.bigint() - from) / 1e6)
  }

  console.log(`\n${shape.name}`)
  console.log(
    `  filling ${fill.toFixed(2)} us a router, remove and set ${median(changes).toFixed(2)} us, ${bytes.toFixed(0)} bytes a router`,
  )
  for (const kind of ['', 'request ']) {
    for (const [place] of places) {
      const one = median(costs.get(`one ${kind}${place}`) ?? [])
      const all = median(costs.get(`all ${kind}${place}`) ?? [])
      const label = `${kind === '' ? 'match' : 'text, normal forms, match'}, ${place}`
      console.log(
        `  ${label}: ${one.toFixed(1)} ns alone, ${all.toFixed(1)} ns among all, ratio ${(all / one).toFixed(3)}`,
      )
    }
  }
  console.log(
    `  match, 4,096 spread over all, in turn: ${median(costs.get('all in turn') ?? []).toFixed(1)} ns`,
  )
}
console.log(sink > 0 ? '' : 'nothing matched')
