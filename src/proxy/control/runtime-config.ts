/**
 * Runtime configuration: dynamic configuration after resolution, held by control and sent to workers as deltas. Each
 * object is resolved by itself; one bad object never takes another down. Closed, not open: a router that names a
 * middleware which is missing or invalid answers 503 (architecture §5).
 */
import { createHash } from 'node:crypto'
import type {
  CertificateConfig,
  DynamicDelta,
  MiddlewareConfig,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { errorText, formatIssue } from '#lib/errors.ts'
import type { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { checkMiddleware } from '../middleware/registry.ts'
import { checkService } from '../upstream/check.ts'
import type { UpstreamSlots } from '../upstream/slots.ts'
import type { ServiceSlots } from '../upstream/words.ts'
import type { WorkerOp } from '../worker/ops.ts'

interface HeldService {
  readonly config: ServiceConfig
  readonly slots: ServiceSlots
}

export class RuntimeConfig {
  readonly #allocator: SlotAllocator
  readonly #slots: UpstreamSlots
  readonly #now: () => number
  readonly #entryPoints: ReadonlySet<string>
  /** Routers that name an entrypoint which is not there. */
  readonly #astray = new Map<string, { config: RouterConfig; missing: readonly string[] }>()
  readonly #services = new Map<string, HeldService>()
  readonly #middlewares = new Map<string, MiddlewareConfig>()
  /** Services that came last in a form that cannot be used. */
  readonly #unsound = new Map<string, { config: ServiceConfig; message: string }>()
  /** Reason why a middleware cannot be used. */
  readonly #invalid = new Map<string, string>()
  readonly #routers = new Map<string, RouterConfig>()
  readonly #certificates = new Map<string, CertificateConfig>()
  /** Routers by the middlewares they name, known or not. */
  readonly #users = new Map<string, Set<string>>()

  /** `entryPoints`: names that routers may ask for. */
  constructor(
    allocator: SlotAllocator,
    slots: UpstreamSlots,
    entryPoints: Iterable<string>,
    now: () => number,
  ) {
    this.#entryPoints = new Set(entryPoints)
    this.#allocator = allocator
    this.#slots = slots
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
    for (const config of delta.services?.set ?? []) this.#setService(config, ops, touched)
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
      this.#unsound.delete(name)
      if (!this.#services.delete(name)) continue
      ops.push({ op: 'remove-service', name })
      this.#slots.remove(name, this.#now())
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

  /**
   * Hexadecimal digest of every object, whatever the order in which they came. Keys of certificates are left out: the
   * certificate says which one it is. Costs some microseconds per object.
   */
  digest(): string {
    const hash = createHash('sha256')
    const services = [...this.#services.values()].map(({ config }) => config)
    const certificates = [...this.#certificates.values()].map(({ key: _key, ...rest }) => rest)
    const routers = [...this.#routers.values()].map((config) => this.#resolve(config))
    for (const objects of [routers, services, [...this.#middlewares.values()], certificates]) {
      objects.sort((a, b) => (a.name < b.name ? -1 : 1))
      for (const each of objects) hash.update(JSON.stringify(each, inOrder))
      hash.update('\n')
    }
    return hash.digest('hex')
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
    for (const { config, missing } of this.#astray.values()) {
      const { origin } = config
      found.push({
        code: 'entrypoint-unknown',
        severity: 'error',
        object: `${origin.kind} ${origin.namespace}/${origin.name}`,
        ...(origin.place === undefined ? {} : { place: origin.place }),
        message: `router ${config.name} asks for the entrypoint ${missing.join(', ')}, which does not exist`,
        hint: `there is ${[...this.#entryPoints].join(', ')}; the router is served on the others it names, if any`,
      })
    }
    for (const { config, message } of this.#unsound.values()) {
      const { origin } = config
      found.push({
        code: 'service-invalid',
        severity: 'error',
        object: `${origin.kind} ${origin.namespace}/${origin.name}`,
        ...(origin.place === undefined ? {} : { place: origin.place }),
        message: `service ${config.name}: ${message}`,
        hint: 'what was in force before stays in force',
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

  #setService(config: ServiceConfig, ops: WorkerOp[], touched: Set<string>): void {
    const issues = checkService(config)
    if (issues.length > 0) {
      // The last good one stays in force, as with every object.
      this.#unsound.set(config.name, {
        config,
        message: issues.map((issue) => formatIssue(issue)).join('; '),
      })
      return
    }
    const isMended = this.#unsound.delete(config.name) && !this.#services.has(config.name)
    const slots = this.#slots.assign(config, this.#now())
    this.#services.set(config.name, { config, slots })
    ops.push({ op: 'service', config, slots })
    if (!isMended) return
    // Routers that came meanwhile lead nowhere. This is rare enough to look at all of them.
    for (const router of this.#routers.values()) if (router.service === config.name) touched.add(router.name)
  }

  #setRouter(config: RouterConfig): void {
    this.#forgetRouter(config.name)
    this.#routers.set(config.name, config)
    const missing = config.entryPoints?.filter((name) => !this.#entryPoints.has(name)) ?? []
    if (missing.length > 0) this.#astray.set(config.name, { config, missing })
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
    this.#astray.delete(routerName)
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

/** For JSON.stringify: members by name, numbers of any size, and no place in a file, which moves without meaning anything. */
function inOrder(key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (key === 'place') return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
