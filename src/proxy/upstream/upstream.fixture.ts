/**
 * For tests: one control and any number of workers in one thread, joined as over messages, with a clock, a random
 * source and a probe that the test rules; and an exchange with only what balancers look at.
 */
import type { ServiceConfig, ServerConfig } from '#config/model/dynamic.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { SlotViews } from '#net/shared/slot-views.ts'
import type { Exchange } from '../http/exchange.ts'
import { DEFAULT_EJECTION } from './ejection.ts'
import type { EjectionOptions } from './ejection.ts'
import type { Server } from './server.ts'
import { Service } from './service.ts'
import type { ServiceHost } from './service.ts'
import { UpstreamSlots } from './slots.ts'

export const LANES = 4

/** A worker of the fixture. */
export interface FixtureWorker {
  readonly lane: number
  readonly host: ServiceHost
  readonly removed: Server[]
}

export class Fixture {
  now = 1_800_000_000_000
  /** What `random` returns; 0.5 makes every back-off exact. */
  random: () => number = () => 0.5
  /** Probes under way: settle them with `answer`. */
  readonly probes: { server: Server; answer: (isGood: boolean) => void }[] = []
  readonly log: string[] = []
  ejection: EjectionOptions = DEFAULT_EJECTION
  readonly allocator: SlotAllocator
  readonly slots: UpstreamSlots
  readonly #views: SlotViews[] = []

  constructor() {
    this.allocator = new SlotAllocator({
      onSlab: (slab) => this.#views.forEach((views) => views.addSlab(slab)),
      slotsPerSlab: 8,
    })
    this.slots = new UpstreamSlots(this.allocator, LANES)
  }

  worker(): FixtureWorker {
    const lane = this.#views.length
    const views = new SlotViews((ack) => this.allocator.acknowledge(lane, ack))
    this.#views.push(views)
    for (const slab of this.allocator.slabs) views.addSlab(slab)
    this.allocator.workerStarted(lane)
    const removed: Server[] = []
    const host: ServiceHost = {
      slots: views,
      lane,
      lanes: LANES,
      ejection: this.ejection,
      stickyKey: 'fixture',
      now: () => this.now,
      random: () => this.random(),
      probe: (server) =>
        new Promise((answer) => {
          this.probes.push({ server, answer })
        }),
      ejected: (server, kind, forMs) => this.log.push(`ejected ${server.id} for ${forMs} (${kind})`),
      reinstated: (server) => this.log.push(`reinstated ${server.id}`),
      serverRemoved: (server) => removed.push(server),
    }
    return { lane, host, removed }
  }

  /** The service in a worker, with the slots control has for it. */
  service(worker: FixtureWorker, config: ServiceConfig): Service {
    const slots = this.slots.slotsOf(config.name) ?? this.slots.assign(config, this.now)
    return new Service(config, slots, worker.host)
  }

  /** A changed configuration, as control hands it to all workers. */
  update(services: readonly Service[], config: ServiceConfig): void {
    const slots = this.slots.assign(config, this.now)
    for (const service of services) service.update(config, slots)
  }

  /** Sends what is due of retired slots to all workers. */
  sweep(): void {
    const notice = this.allocator.sweep(this.now)
    if (notice !== null) for (const views of this.#views) views.retire(notice)
  }
}

export interface ServerSpec {
  readonly weight?: number
  readonly fenced?: boolean
}

/** Servers `10.0.0.1:80`, `10.0.0.2:80`, … */
export function serverConfigs(specs: readonly ServerSpec[]): ServerConfig[] {
  return specs.map((spec, index) => ({
    id: `10.0.0.${index + 1}:80`,
    address: `10.0.0.${index + 1}`,
    port: 80,
    weight: spec.weight ?? 1,
    ...(spec.fenced === undefined ? {} : { fenced: spec.fenced }),
  }))
}

export function serviceConfig(
  servers: readonly ServerConfig[],
  more: Partial<ServiceConfig> = {},
): ServiceConfig {
  return {
    name: 'shop@test',
    balancer: 'wrr',
    scheme: 'http',
    timeouts: {},
    servers,
    origin: { provider: 'test', kind: 'Service', namespace: 'default', name: 'shop' },
    ...more,
  }
}

export interface ExchangeSpec {
  readonly clientAddress?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
  readonly query?: string
  readonly scheme?: 'http' | 'https'
}

export function fakeExchange(spec: ExchangeSpec = {}): Exchange {
  const headers = new Map(
    Object.entries(spec.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return {
    clientAddress: spec.clientAddress ?? '192.0.2.1',
    scheme: spec.scheme ?? 'http',
    method: 'GET',
    host: 'shop.example',
    path: spec.path ?? '/',
    query: spec.query ?? '',
    request: { get: (name: string) => headers.get(name.toLowerCase()) },
  } as Exchange
}
