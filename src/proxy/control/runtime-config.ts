/**
 * Runtime configuration: dynamic configuration after resolution, held by control and sent to workers as deltas. Each
 * object is resolved by itself; one bad object never takes another down. Closed, not open: a router that names a
 * middleware which is missing or invalid answers 503 (architecture §5).
 */
import type {
  CertificateConfig,
  DynamicDelta,
  MiddlewareConfig,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { errorText } from '#lib/errors.ts'
import type { SlotAllocator } from '#net/shared/slot-allocator.ts'
import type { SlotKind } from '#net/shared/slots.ts'
import { checkMiddleware } from '../middleware/registry.ts'
import { SERVICE_SLOT, serverSlotKind, type ServiceSlots } from '../upstream/words.ts'
import type { WorkerOp } from '../worker/ops.ts'

interface HeldService {
  readonly config: ServiceConfig
  readonly slots: ServiceSlots
}

export class RuntimeConfig {
  readonly #allocator: SlotAllocator
  readonly #serverSlot: SlotKind
  readonly #now: () => number
  readonly #services = new Map<string, HeldService>()
  readonly #middlewares = new Map<string, MiddlewareConfig>()
  /** Reason why a middleware cannot be used. */
  readonly #invalid = new Map<string, string>()
  readonly #routers = new Map<string, RouterConfig>()
  readonly #certificates = new Map<string, CertificateConfig>()
  /** Routers by the middlewares they name, known or not. */
  readonly #users = new Map<string, Set<string>>()

  constructor(allocator: SlotAllocator, lanes: number, now: () => number) {
    this.#allocator = allocator
    this.#serverSlot = serverSlotKind(lanes)
    this.#now = now
  }

  get counts(): Readonly<Record<'routers' | 'services' | 'middlewares' | 'certificates', number>> {
    return {
      routers: this.#routers.size,
      services: this.#services.size,
      middlewares: this.#middlewares.size,
      certificates: this.#certificates.size,
    }
  }

  /** Services with their slots, for gauges about servers. */
  services(): IterableIterator<HeldService> {
    return this.#services.values()
  }

  certificates(): IterableIterator<CertificateConfig> {
    return this.#certificates.values()
  }

  /** Takes a step of change and yields the ops for the workers, in an order that keeps references whole. */
  apply(delta: DynamicDelta): WorkerOp[] {
    const ops: WorkerOp[] = []
    const touched = new Set<string>()
    for (const config of delta.middlewares?.set ?? []) this.#setMiddleware(config, ops, touched)
    for (const config of delta.services?.set ?? []) ops.push(this.#setService(config))
    for (const config of delta.certificates?.set ?? []) {
      this.#certificates.set(config.name, config)
      ops.push({ op: 'certificate', config })
    }
    const removedMiddlewares = delta.middlewares?.remove ?? []
    for (const name of removedMiddlewares) {
      this.#middlewares.delete(name)
      this.#invalid.delete(name)
      for (const user of this.#users.get(name) ?? []) touched.add(user)
    }
    for (const config of delta.routers?.set ?? []) {
      this.#setRouter(config)
      touched.delete(config.name)
      ops.push({ op: 'router', config: this.#resolve(config) })
    }
    for (const name of delta.routers?.remove ?? []) {
      this.#forgetRouter(name)
      touched.delete(name)
      ops.push({ op: 'remove-router', name })
    }
    for (const name of touched) {
      const config = this.#routers.get(name)
      if (config !== undefined) ops.push({ op: 'router', config: this.#resolve(config) })
    }
    for (const name of removedMiddlewares) ops.push({ op: 'remove-middleware', name })
    for (const name of delta.services?.remove ?? []) {
      const held = this.#services.get(name)
      if (held === undefined) continue
      this.#services.delete(name)
      ops.push({ op: 'remove-service', name })
      this.#releaseSlots(held)
    }
    for (const name of delta.certificates?.remove ?? []) {
      this.#certificates.delete(name)
      ops.push({ op: 'remove-certificate', name })
    }
    return ops
  }

  /** Everything, for a worker that starts now. */
  *snapshot(): Generator<WorkerOp> {
    for (const slab of this.#allocator.slabs) yield { op: 'slab', slab }
    for (const config of this.#certificates.values()) yield { op: 'certificate', config }
    for (const config of this.#middlewares.values()) {
      if (!this.#invalid.has(config.name)) yield { op: 'middleware', config }
    }
    for (const { config, slots } of this.#services.values()) yield { op: 'service', config, slots }
    for (const config of this.#routers.values()) yield { op: 'router', config: this.#resolve(config) }
  }

  /** What resolution has to say about objects as they are now. */
  findings(): Finding[] {
    const found: Finding[] = []
    for (const [name, message] of this.#invalid) {
      const { origin } = this.#middlewares.get(name)!
      found.push({
        code: 'middleware-invalid',
        severity: 'error',
        object: `${origin.kind} ${origin.namespace}/${origin.name}`,
        ...(origin.place === undefined ? {} : { place: origin.place }),
        message: `middleware ${name}: ${message}`,
        hint: 'its routes answer 503 until it is mended',
      })
    }
    return found
  }

  #setMiddleware(config: MiddlewareConfig, ops: WorkerOp[], touched: Set<string>): void {
    const { name } = config
    const isNew = !this.#middlewares.has(name) || this.#invalid.has(name)
    this.#middlewares.set(name, config)
    try {
      checkMiddleware(config)
      this.#invalid.delete(name)
      ops.push({ op: 'middleware', config })
      if (!isNew) return
    } catch (error) {
      this.#invalid.set(name, errorText(error))
      ops.push({ op: 'remove-middleware', name })
    }
    for (const user of this.#users.get(name) ?? []) touched.add(user)
  }

  #setService(config: ServiceConfig): WorkerOp {
    const slots: ServiceSlots = {
      service: this.#allocator.allocate(SERVICE_SLOT, config.name),
      servers: config.servers.map((server) =>
        this.#allocator.allocate(this.#serverSlot, serverIdentity(config.name, server.id)),
      ),
    }
    // The new slots are taken before the old ones are let go, so that state of what stays is never given up.
    const old = this.#services.get(config.name)
    if (old !== undefined) this.#releaseSlots(old)
    this.#services.set(config.name, { config, slots })
    return { op: 'service', config, slots }
  }

  #releaseSlots({ config }: HeldService): void {
    const now = this.#now()
    this.#allocator.release(SERVICE_SLOT, config.name, now)
    for (const server of config.servers) {
      this.#allocator.release(this.#serverSlot, serverIdentity(config.name, server.id), now)
    }
  }

  #setRouter(config: RouterConfig): void {
    this.#forgetRouter(config.name)
    this.#routers.set(config.name, config)
    for (const name of config.middlewares) {
      let users = this.#users.get(name)
      if (users === undefined) this.#users.set(name, (users = new Set()))
      users.add(config.name)
    }
  }

  #forgetRouter(routerName: string): void {
    const old = this.#routers.get(routerName)
    if (old === undefined) return
    this.#routers.delete(routerName)
    for (const name of old.middlewares) {
      const users = this.#users.get(name)
      users?.delete(routerName)
      if (users?.size === 0) this.#users.delete(name)
    }
  }

  /** The router as workers get it: closed when something it names cannot be had. */
  #resolve(config: RouterConfig): RouterConfig {
    if (config.closed !== undefined) return config
    for (const name of config.middlewares) {
      const reason = this.#middlewares.has(name) ? this.#invalid.get(name) : 'does not exist'
      if (reason !== undefined) return { ...config, closed: `middleware ${name}: ${reason}` }
    }
    return config
  }
}

function serverIdentity(service: string, server: string): string {
  return `${service}\n${server}`
}
