/**
 * What the internal entrypoint (`traefik`) answers: `/ping`, `/ready`, `/metrics`, `/debug/config-hash`. A function from
 * request to answer; the entrypoint's server calls it and writes the answer (without the body for HEAD).
 */

export interface InternalAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  /** For 405: the methods that are allowed. */
  readonly allow?: string
}

/** What the answers are made of. Undefined parts are switched off and answer 404. */
export interface InternalSources {
  readonly readiness: {
    readonly isReady: boolean
    readonly isDraining: boolean
    reasons(): readonly object[]
  }
  /** `--ping`; the status while the process is ending (`ping.terminatingStatusCode`). */
  readonly ping?: { readonly terminatingStatusCode: number }
  /** Digest of the configuration in force, for comparing replicas and restarts; holds nothing of it. */
  readonly configHash?: () => ConfigHash
  /** `--metrics.prometheus`. */
  readonly metrics?: { readonly contentType: string; text(): string | Promise<string> }
}

export interface ConfigHash {
  /** Hexadecimal; equal where routers, services, middlewares and certificates are equal. */
  readonly hash: string
  /** Every worker has it. */
  readonly inForce: boolean
  /** Objects by kind. */
  readonly counts: Readonly<Record<string, number>>
}

export type InternalApi = (method: string, path: string) => InternalAnswer | Promise<InternalAnswer>

const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
const ALLOWED = 'GET, HEAD'

/** `path` may carry a query, which is ignored. */
export function createInternalApi(sources: InternalSources): InternalApi {
  const routes = new Map<string, () => InternalAnswer | Promise<InternalAnswer>>()
  const { readiness, ping, metrics, configHash } = sources
  routes.set('/ready', () => {
    const isReady = readiness.isReady
    const body = JSON.stringify(isReady ? { ready: true } : { ready: false, reasons: readiness.reasons() })
    return { status: isReady ? 200 : 503, contentType: JSON_TYPE, body: `${body}\n` }
  })
  if (ping !== undefined) {
    routes.set('/ping', () =>
      readiness.isDraining
        ? { status: ping.terminatingStatusCode, contentType: TEXT, body: 'shutting down' }
        : { status: 200, contentType: TEXT, body: 'OK' },
    )
  }
  if (configHash !== undefined) {
    routes.set('/debug/config-hash', () => {
      const { hash, inForce, counts } = configHash()
      return {
        status: 200,
        contentType: JSON_TYPE,
        body: `${JSON.stringify({ hash, inForce, ...counts })}\n`,
      }
    })
  }
  if (metrics !== undefined) {
    const answer = (body: string): InternalAnswer => ({ status: 200, contentType: metrics.contentType, body })
    routes.set('/metrics', () => {
      const body = metrics.text()
      return typeof body === 'string' ? answer(body) : body.then(answer)
    })
  }
  const known = [...routes.keys()].toSorted().join(' ')

  return (method, path) => {
    const question = path.indexOf('?')
    const route = routes.get(question === -1 ? path : path.slice(0, question))
    if (route === undefined) {
      return { status: 404, contentType: TEXT, body: `not found; there is ${known}\n` }
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, contentType: TEXT, body: `method not allowed; use ${ALLOWED}\n`, allow: ALLOWED }
    }
    return route()
  }
}
