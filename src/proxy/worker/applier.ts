/**
 * Brings ops into force in a worker, in slices, so that a large change never holds the loop for long
 * (architecture §4.1: 5 ms). Services keep their object across changes, so that a change of endpoints touches no router;
 * chains are shared by the routers that name the same middlewares.
 */
import type { MiddlewareConfig, RouterConfig } from '#config/model/dynamic.ts'
import type { CertificateStore } from '#certs/store.ts'
import { errorText } from '#lib/errors.ts'
import type { SlotViews } from '#net/shared/slot-views.ts'
import { composeChain, type Chain } from '../middleware/chain.ts'
import type { Filter, MiddlewareHost } from '../middleware/middleware.ts'
import { createFilter } from '../middleware/registry.ts'
import type { RoutingProgram } from '../router/program.ts'
import type { Route } from '../route.ts'
import type { Service } from '../upstream/service.ts'
import type { ServiceSlots } from '../upstream/words.ts'
import type { ServiceConfig } from '#config/model/dynamic.ts'
import type { OpFailure, TicketKeys, WorkerOp } from './ops.ts'
import type { EntryPointSpec } from './entry-point-spec.ts'

const SLICE_MS = 3
/** Between two looks at the clock. */
const OPS_PER_LOOK = 16

export interface ApplierHost {
  readonly program: RoutingProgram<Route>
  readonly certificates: CertificateStore
  readonly views: SlotViews
  readonly middlewareHost: MiddlewareHost
  makeService(config: ServiceConfig, slots: ServiceSlots): Service
  updateService(service: Service, config: ServiceConfig, slots: ServiceSlots): void
  endService(service: Service): void
  listen(entry: EntryPointSpec, fd: number): void
  unlisten(name: string): void
  onRouterRemoved(name: string): void
  /** All ops of `version` are in force. */
  onApplied(version: number, failures: readonly OpFailure[]): void
}

interface Batch {
  readonly version: number
  readonly ops: readonly WorkerOp[]
  next: number
  readonly failures: OpFailure[]
}

/** A chain whose content may be exchanged under the routers that hold it. */
interface SharedChain {
  readonly key: string
  readonly names: readonly string[]
  readonly chain: Chain
  /** Routers that hold it. */
  holders: number
}

export class Applier {
  readonly #host: ApplierHost
  readonly #services = new Map<string, Service>()
  readonly #middlewares = new Map<string, { config: MiddlewareConfig; filter: Filter }>()
  readonly #chains = new Map<string, SharedChain>()
  readonly #chainsOf = new Map<string, Set<SharedChain>>()
  /** Of routers that have one. */
  readonly #chainOfRouter = new Map<string, SharedChain>()
  readonly #queue: Batch[] = []
  #isScheduled = false

  constructor(host: ApplierHost) {
    this.#host = host
  }

  get services(): ReadonlyMap<string, Service> {
    return this.#services
  }

  enqueue(version: number, ops: readonly WorkerOp[]): void {
    this.#queue.push({ version, ops, next: 0, failures: [] })
    if (!this.#isScheduled) this.#run()
  }

  #run(): void {
    this.#isScheduled = false
    const until = performance.now() + SLICE_MS
    for (;;) {
      const batch = this.#queue[0]
      if (batch === undefined) return
      while (batch.next < batch.ops.length) {
        const stop = Math.min(batch.next + OPS_PER_LOOK, batch.ops.length)
        while (batch.next < stop) this.#applyOne(batch, batch.ops[batch.next++]!)
        if (performance.now() > until) {
          this.#isScheduled = true
          setImmediate(() => this.#run())
          return
        }
      }
      this.#queue.shift()
      this.#host.onApplied(batch.version, batch.failures)
    }
  }

  #applyOne(batch: Batch, op: WorkerOp): void {
    try {
      this.#apply(op)
    } catch (error) {
      const message = errorText(error)
      batch.failures.push({ object: nameOf(op), message })
      if (op.op === 'router') this.#closeRouter(op.config, message)
    }
  }

  #apply(op: WorkerOp): void {
    const host = this.#host
    switch (op.op) {
      case 'slab':
        host.views.addSlab(op.slab)
        return
      case 'retire':
        host.views.retire(op.notice)
        return
      case 'service':
        this.#setService(op.config, op.slots)
        return
      case 'remove-service': {
        const service = this.#services.get(op.name)
        if (service === undefined) return
        this.#services.delete(op.name)
        host.endService(service)
        return
      }
      case 'middleware':
        this.#setMiddleware(op.config)
        return
      case 'remove-middleware':
        this.#middlewares.delete(op.name)
        return
      case 'router':
        this.#setRouter(op.config)
        return
      case 'remove-router':
        host.program.remove(op.name)
        this.#releaseChain(op.name)
        host.onRouterRemoved(op.name)
        return
      case 'certificate':
        host.certificates.set(op.config.name, op.config)
        return
      case 'remove-certificate':
        host.certificates.remove(op.name)
        return
      case 'ticket-keys':
        host.certificates.setTicketKeys(bufferKeys(op.keys))
        return
      case 'self-signed':
        host.certificates.selfSigned = op.pair
        return
      case 'listen':
        host.listen(op.entry, op.fd)
        return
      case 'unlisten':
        host.unlisten(op.name)
    }
  }

  #setService(config: ServiceConfig, slots: ServiceSlots): void {
    const service = this.#services.get(config.name)
    if (service === undefined) this.#services.set(config.name, this.#host.makeService(config, slots))
    else this.#host.updateService(service, config, slots)
  }

  #setMiddleware(config: MiddlewareConfig): void {
    const filter = createFilter(config, this.#host.middlewareHost)
    this.#middlewares.set(config.name, { config, filter })
    for (const shared of this.#chainsOf.get(config.name) ?? []) {
      Object.assign(shared.chain, composeChain(this.#filtersOf(shared.names)))
    }
  }

  #setRouter(config: RouterConfig): void {
    const service = config.service === undefined ? null : (this.#services.get(config.service) ?? null)
    const names = config.closed === undefined ? config.middlewares : []
    const shared = names.length === 0 ? undefined : this.#chainOf(names)
    const route: Route = {
      name: config.name,
      chain: shared?.chain ?? null,
      service,
      closed: config.closed,
      headerSet: config.headerSet ?? 'default',
      origin: config.origin,
    }
    this.#host.program.set(config, route)
    // The new chain is held before the old one is let go: they are often the same.
    if (shared !== undefined) shared.holders++
    this.#releaseChain(config.name)
    if (shared !== undefined) this.#chainOfRouter.set(config.name, shared)
  }

  /** A router that cannot be built answers 503 in its place; one that has no place is taken out. */
  #closeRouter(config: RouterConfig, reason: string): void {
    try {
      this.#setRouter({ ...config, middlewares: [], closed: reason })
    } catch {
      this.#host.program.remove(config.name)
      this.#releaseChain(config.name)
    }
  }

  #chainOf(names: readonly string[]): SharedChain {
    const key = names.join('\n')
    const known = this.#chains.get(key)
    if (known !== undefined) return known
    const shared: SharedChain = { key, names, chain: composeChain(this.#filtersOf(names))!, holders: 0 }
    this.#chains.set(key, shared)
    for (const name of names) {
      let users = this.#chainsOf.get(name)
      if (users === undefined) this.#chainsOf.set(name, (users = new Set()))
      users.add(shared)
    }
    return shared
  }

  #releaseChain(router: string): void {
    const shared = this.#chainOfRouter.get(router)
    if (shared === undefined) return
    this.#chainOfRouter.delete(router)
    if (--shared.holders > 0) return
    this.#chains.delete(shared.key)
    for (const name of shared.names) {
      const users = this.#chainsOf.get(name)
      users?.delete(shared)
      if (users?.size === 0) this.#chainsOf.delete(name)
    }
  }

  #filtersOf(names: readonly string[]): Filter[] {
    return names.map((name) => {
      const middleware = this.#middlewares.get(name)
      // Control closes routers whose middlewares are missing; to get here the order of ops must be wrong.
      if (middleware === undefined) throw new Error(`middleware ${name} is not there`)
      return middleware.filter
    })
  }
}

function nameOf(op: WorkerOp): string {
  if ('config' in op) return `${op.op} ${op.config.name}`
  if (op.op === 'listen') return `entrypoint ${op.entry.name}`
  return op.op
}

function bufferKeys(keys: TicketKeys): { current: Buffer; previous?: Buffer } {
  const current = Buffer.from(keys.current)
  return keys.previous === undefined ? { current } : { current, previous: Buffer.from(keys.previous) }
}
