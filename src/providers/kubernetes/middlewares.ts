/**
 * The middlewares that Ingress options ask for. One that belongs to an Ingress is named after it and shared by its
 * routers; nginx's habits are shared by all. A middleware lives while a host refers to it. Called by the rendering of
 * routers.
 */
import type { MiddlewareConfig, Origin } from '#config/model/dynamic.ts'
import { NameRegistry } from './names.ts'
import type { IngressPlan } from './plan.ts'
import type { Published } from './published.ts'

interface Held {
  readonly name: string
  uses: number
}

/** What is asked for: a folder below src/proxy/middleware with its options. */
export interface MiddlewareRequest {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
}

/** ingress-nginx's limit on request bodies. */
export const NGINX_BODY_LIMIT: MiddlewareRequest = {
  type: 'requestBodyLimit',
  options: { maxBytes: 1 << 20 },
}
/** Its Strict-Transport-Security, on answers over TLS only (RFC 6797 §7.2). */
export const NGINX_HSTS: MiddlewareRequest = {
  type: 'headers',
  options: {
    onlyScheme: 'https',
    response: { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' },
  },
}

export class Middlewares {
  readonly #published: Published<MiddlewareConfig>
  readonly #names: NameRegistry
  readonly #nginxOrigin: Origin
  /** By identity: Ingress, type and what tells several of a type apart. */
  readonly #held = new Map<string, Held>()

  constructor(provider: string, published: Published<MiddlewareConfig>) {
    this.#published = published
    this.#names = new NameRegistry(provider)
    this.#nginxOrigin = { provider, kind: 'IngressClass', namespace: '', name: 'nginx' }
  }

  /** One of an Ingress. `part` tells several of one type apart. `identities` takes what has to be released. */
  forIngress(plan: IngressPlan, request: MiddlewareRequest, part: string, identities: string[]): string {
    const identity = `${plan.sourced.key}\n${request.type}\n${part}`
    const text = `${plan.namespace}-${plan.name}-${hyphenated(request.type)}-${part}`
    return this.#acquire(identity, text, request, plan.origin, identities)
  }

  /** One of nginx's habits. */
  forNginx(request: MiddlewareRequest, identities: string[]): string {
    return this.#acquire(
      request.type,
      `nginx-${hyphenated(request.type)}`,
      request,
      this.#nginxOrigin,
      identities,
    )
  }

  release(identities: readonly string[]): void {
    for (const identity of identities) {
      const held = this.#held.get(identity)
      if (held === undefined || --held.uses > 0) continue
      this.#held.delete(identity)
      this.#names.release(held.name)
      this.#published.remove(held.name)
    }
  }

  #acquire(
    identity: string,
    text: string,
    request: MiddlewareRequest,
    origin: Origin,
    identities: string[],
  ): string {
    let held = this.#held.get(identity)
    if (held === undefined) {
      held = { name: this.#names.claim(text, identity), uses: 0 }
      this.#held.set(identity, held)
    }
    held.uses++
    identities.push(identity)
    const known = this.#published.get(held.name)
    if (known?.options !== request.options || known.origin !== origin) {
      this.#published.set({ name: held.name, type: request.type, options: request.options, origin })
    }
    return held.name
  }
}

/** `redirectScheme` → `redirect-scheme`. */
function hyphenated(type: string): string {
  return type.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
