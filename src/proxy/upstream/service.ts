/**
 * A service as one worker runs it: its servers, the algorithm that picks one, sticky sessions and passive health.
 * The proxy calls `select` for each attempt; whoever applies configuration calls `update` and `close`.
 *
 * Tiers of a selection, each only when the one before has nobody: ready servers that are not ejected; fenced ones
 * (terminating but serving) that are not ejected; ejected ready ones; ejected fenced ones. Weight 0 is never chosen.
 * Pickers are made on the first selection after a change, so that applying a configuration stays cheap.
 */
import type { ServiceConfig, ServerConfig } from '#config/model/dynamic.ts'
import { ConfigError } from '#lib/errors.ts'
import { detachedView } from '#net/shared/slots.ts'
import type { SlotRef, SlotView } from '#net/shared/slots.ts'
import { balancerNamed } from '../balancer/registry.ts'
import type { Picker, SharedWord } from '../balancer/balancer.ts'
import type { Exchange } from '../http/exchange.ts'
import { checkService } from './check.ts'
import { Ejection } from './ejection.ts'
import type { EjectionHost, EjectionOptions, SharedWords } from './ejection.ts'
import { Server } from './server.ts'
import type { ServerHome } from './server.ts'
import { StickySession } from './sticky.ts'
import { SC_PANICS, SC_POSITION, SERVICE_SLOT } from './words.ts'
import type { ServiceSlots } from './words.ts'

/** What a worker gives to all its services. */
export interface ServiceHost extends EjectionHost {
  /** A SlotViews. */
  readonly slots: { hold(ref: SlotRef): SlotView; drop(ref: SlotRef): void }
  /** Lane of this worker and number of lanes (src/net/shared/lanes.ts). */
  readonly lane: number
  readonly lanes: number
  readonly ejection: EjectionOptions
  /** Key of sticky cookies; the same in every replica. */
  readonly stickyKey: string
  /** The server is in no configuration any more: close its pool's idle connections. */
  serverRemoved(server: Server): void
}

const TIER_READY = 0
const TIER_FENCED = 1
const TIER_READY_PANIC = 2
const TIER_FENCED_PANIC = 3
const TIERS = 4
const NO_PICKERS: readonly undefined[] = [undefined, undefined, undefined, undefined]

export class Service implements ServerHome {
  readonly name: string
  config: ServiceConfig
  servers: readonly Server[] = []
  /** Set-Cookie value for the selection just made; undefined when the client has the right cookie, or needs none. */
  cookieToSet: string | undefined = undefined

  readonly lane: number
  readonly lanes: number
  readonly failureThreshold: number
  readonly failureWindowMs: number

  readonly #host: ServiceHost
  #slot: SlotRef
  readonly #words: SharedWords
  readonly #position: SharedWord
  readonly #ejection: Ejection
  #isClosed = false
  /** By tier; undefined: not made yet; null: nobody in it. */
  #pickers: readonly (Picker | null | undefined)[] = NO_PICKERS
  #sticky: StickySession | null = null
  #isStickyMade = false

  /** Throws ConfigError (check.ts). */
  constructor(config: ServiceConfig, slots: ServiceSlots, host: ServiceHost) {
    this.name = config.name
    this.config = config
    this.#host = host
    this.lane = host.lane
    this.lanes = host.lanes
    this.failureThreshold = host.ejection.failures > 0 ? host.ejection.failures : Infinity
    this.failureWindowMs = host.ejection.windowMs
    refuseUnsound(config)
    this.#slot = slots.service
    const { ints, base } = host.slots.hold(slots.service)
    this.#words = { ints, base }
    this.#position = { ints, index: base + SC_POSITION }
    this.#ejection = new Ejection(host.ejection, host, this.#words)
    this.#apply(config, slots)
  }

  /** Servers keep their object, with pool and state, as long as their id, address, port and slot stay. Throws ConfigError. */
  update(config: ServiceConfig, slots: ServiceSlots): void {
    refuseUnsound(config)
    if (!isSameSlot(this.#slot, slots.service)) {
      const { ints, base } = this.#host.slots.hold(slots.service)
      this.#host.slots.drop(this.#slot)
      this.#slot = slots.service
      this.#moveTo(ints, base)
    }
    this.#apply(config, slots)
  }

  /** Removed from the configuration. Exchanges that have it may go on selecting; nothing is shared any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const server of this.servers) this.#remove(server)
    this.#host.slots.drop(this.#slot)
    const { ints, base } = detachedView(SERVICE_SLOT)
    this.#moveTo(ints, base)
  }

  /**
   * Sticky cookie first, then the balancer. `tried`: servers that failed this exchange. Null: nobody is left.
   * Sets `cookieToSet`.
   */
  select(exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    this.#ejection.tick(now)
    this.cookieToSet = undefined
    if (this.config.sticky !== undefined) return this.#selectSticky(exchange, tried, now)
    return this.#pick(exchange, tried, now)
  }

  /** From a timer: probes what is due in services that have no traffic now. */
  tick(now: number): void {
    this.#ejection.tick(now)
  }

  /** Servers set aside now, in the eyes of all workers. */
  ejectedCount(): number {
    return this.#ejection.count()
  }

  failedRepeatedly(server: Server, now: number, kind: number): void {
    this.#ejection.eject(server, now, kind)
  }

  letGo(ref: SlotRef): void {
    this.#host.slots.drop(ref)
  }

  #selectSticky(exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    const sticky = this.#stickySession()
    const field = exchange.request.get('cookie')
    const bound = field === undefined ? undefined : sticky.serverOf(field)
    // A fenced server is about to go: its sessions move while it can still answer what it has.
    const isUsable = bound !== undefined && !bound.fenced && bound.isAvailable(now) && !tried.includes(bound)
    if (isUsable) return bound
    const server = this.#pick(exchange, tried, now)
    if (server === null || server === bound) return server
    // The session stays with a server that only failed now, unless asked otherwise: its state is there.
    const stays = bound !== undefined && !bound.fenced && !sticky.changeOnFailure
    if (!stays) this.cookieToSet = sticky.setCookie(server, exchange.scheme, now)
    return server
  }

  #pick(exchange: Exchange, tried: readonly Server[], now: number): Server | null {
    for (let tier = TIER_READY; tier < TIERS; tier++) {
      let picker = this.#pickers[tier]
      if (picker === undefined) picker = this.#makePicker(tier)
      if (picker === null) continue
      const server = picker.pick(exchange, tried, now)
      if (server === null) continue
      if (tier >= TIER_READY_PANIC) Atomics.add(this.#words.ints, this.#words.base + SC_PANICS, 1)
      return server
    }
    return null
  }

  #makePicker(tier: number): Picker | null {
    const isFenced = tier === TIER_FENCED || tier === TIER_FENCED_PANIC
    const servers = this.servers.filter((server) => server.weight > 0 && server.fenced === isFenced)
    const picker =
      servers.length === 0
        ? null
        : balancerNamed(this.config.balancer)!.create({
            servers,
            position: this.#position,
            hashOn: this.config.hashOn ?? [],
            ignoreHealth: tier >= TIER_READY_PANIC,
            random: this.#host.random,
          })
    this.#pickers = this.#pickers.with(tier, picker)
    return picker
  }

  #stickySession(): StickySession {
    if (!this.#isStickyMade) {
      const servers = this.servers.filter((server) => server.weight > 0)
      this.#sticky = new StickySession(this.config.sticky!, this.name, this.#host.stickyKey, servers)
      this.#isStickyMade = true
    }
    return this.#sticky!
  }

  #apply(config: ServiceConfig, slots: ServiceSlots): void {
    const before = new Map(this.servers.map((server) => [server.id, server]))
    const servers: Server[] = []
    const seen = new Set<string>()
    config.servers.forEach((wanted, index) => {
      if (seen.has(wanted.id)) return
      seen.add(wanted.id)
      const ref = slots.servers[index]!
      const known = before.get(wanted.id)
      if (known !== undefined && isSameServer(known, wanted, ref)) {
        known.weight = wanted.weight
        known.fenced = wanted.fenced === true
        before.delete(wanted.id)
        servers.push(known)
      } else servers.push(new Server(wanted, ref, this.#host.slots.hold(ref), this))
    })
    this.config = config
    this.servers = servers
    this.#pickers = NO_PICKERS
    this.#isStickyMade = false
    this.#sticky = null
    const isAllWeighted = servers.every((server) => server.weight > 0)
    this.#ejection.setServers(isAllWeighted ? servers : servers.filter((server) => server.weight > 0))
    for (const server of before.values()) this.#remove(server)
  }

  #remove(server: Server): void {
    server.retire()
    this.#host.serverRemoved(server)
  }

  #moveTo(ints: Int32Array, base: number): void {
    this.#words.ints = ints
    this.#words.base = base
    this.#position.ints = ints
    this.#position.index = base + SC_POSITION
  }
}

function refuseUnsound(config: ServiceConfig): void {
  const issues = checkService(config)
  if (issues.length > 0) throw new ConfigError(issues, { prefix: `service ${config.name}: ` })
}

function isSameServer(server: Server, config: ServerConfig, ref: SlotRef): boolean {
  return server.address === config.address && server.port === config.port && isSameSlot(server.ref, ref)
}

function isSameSlot(a: SlotRef, b: SlotRef): boolean {
  return a.slab === b.slab && a.index === b.index && a.generation === b.generation
}
