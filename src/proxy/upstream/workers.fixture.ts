/** For workers.test.ts: a worker that holds one service and does what control's messages say. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ServiceConfig } from '#config/model/dynamic.ts'
import { SlotViews } from '#net/shared/slot-views.ts'
import type { RetireNotice, Slab } from '#net/shared/slots.ts'
import { DEFAULT_EJECTION } from './ejection.ts'
import { Service } from './service.ts'
import { fakeExchange } from './upstream.fixture.ts'
import type { ServiceSlots } from './words.ts'

export interface Start {
  readonly lane: number
  readonly lanes: number
  readonly slabs: readonly Slab[]
  readonly config: ServiceConfig
  readonly slots: ServiceSlots
}

export type Order =
  | { readonly kind: 'slab'; readonly slab: Slab }
  | { readonly kind: 'update'; readonly config: ServiceConfig; readonly slots: ServiceSlots }
  | { readonly kind: 'retire'; readonly notice: RetireNotice }
  /** Selects so often and answers with picks per server id; `keep` leaves them in flight. */
  | { readonly kind: 'pick'; readonly times: number; readonly keep: boolean }
  /** Counts up and down as fast as it can, and never answers. */
  | { readonly kind: 'spin' }
  | { readonly kind: 'fail'; readonly server: number; readonly times: number; readonly now: number }
  | { readonly kind: 'state' }

const { lane, lanes, slabs, config, slots } = workerData as Start
const port = parentPort!
const views = new SlotViews((ack) => port.postMessage({ kind: 'ack', ack }))
for (const slab of slabs) views.addSlab(slab)
const service = new Service(config, slots, {
  slots: views,
  lane,
  lanes,
  ejection: DEFAULT_EJECTION,
  stickyKey: 'fixture',
  now: Date.now,
  random: Math.random,
  probe: () => Promise.resolve(false),
  serverRemoved: () => undefined,
})
const exchange = fakeExchange()

port.on('message', (order: Order) => {
  port.postMessage({ kind: order.kind, answer: obey(order) })
})

function obey(order: Order): unknown {
  switch (order.kind) {
    case 'slab':
      views.addSlab(order.slab)
      return null
    case 'update':
      service.update(order.config, order.slots)
      return null
    case 'retire':
      views.retire(order.notice)
      return null
    case 'fail':
      for (let i = 0; i < order.times; i++) service.servers[order.server]!.reportFailure(order.now, 1)
      return null
    case 'pick':
      return pick(order.times, order.keep)
    case 'spin':
      return spin()
    case 'state':
      break
  }
  return service.servers.map((server) => ({ isIn: server.isAvailable(0), inFlight: server.inFlight() }))
}

function spin(): never {
  port.postMessage({ kind: 'spinning' })
  for (;;) pick(1000, false)
}

function pick(times: number, keep: boolean): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const server = service.select(exchange, [], 0)!
    counts[server.id] = (counts[server.id] ?? 0) + 1
    server.begin()
    if (!keep) server.finish()
  }
  return counts
}
