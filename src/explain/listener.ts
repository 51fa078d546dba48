/** Which entrypoint a URL leads to. */
import type { ExplainedListener } from './explanation.ts'
import type { AskedRequest } from './request.ts'

/** An entrypoint as far as this matters. */
export interface ListenerFacts {
  readonly name: string
  /** `:443`, as configured. */
  readonly address: string
  /** Ports it may be reached on: the configured one, and the one taken without the right to bind that. */
  readonly ports: readonly number[]
  readonly isTls: boolean
}

export interface ListenerChoice {
  readonly listener: ExplainedListener | null
  /** Why there is none. */
  readonly text: string
}

/**
 * By name when one is asked for, else by port. A URL without a port that nobody listens on means the first entrypoint
 * that speaks its scheme: such a URL usually goes through something that maps ports.
 */
export function chooseListener(
  asked: AskedRequest,
  listeners: readonly ListenerFacts[],
  name: string | undefined,
): ListenerChoice {
  const isTls = asked.scheme === 'https'
  const known = listeners.map((listener) => `${listener.name} ${listener.address}`).join(', ')
  if (name !== undefined) {
    const found = listeners.find((listener) => listener.name === name)
    return found === undefined
      ? { listener: null, text: `there is no entrypoint ${name}; there are: ${known}` }
      : { listener: describe(found, 'asked for by name'), text: '' }
  }
  const port = asked.port ?? (isTls ? 443 : 80)
  const atPort = listeners.find((listener) => listener.ports.includes(port))
  if (atPort !== undefined) {
    if (atPort.isTls === isTls) return { listener: describe(atPort, ''), text: '' }
    const speaks = atPort.isTls ? 'TLS' : 'plain HTTP'
    return {
      listener: null,
      text: `${atPort.name} speaks ${speaks} on port ${port}: the URL should begin with ${atPort.isTls ? 'https' : 'http'}:`,
    }
  }
  const byScheme = asked.port === null ? listeners.find((listener) => listener.isTls === isTls) : undefined
  if (byScheme === undefined)
    return { listener: null, text: `nothing listens on port ${port}; there are: ${known}` }
  const note = `nothing listens on port ${port}; this is the first entrypoint for ${asked.scheme}`
  return { listener: describe(byScheme, note), text: '' }
}

function describe(listener: ListenerFacts, note: string): ExplainedListener {
  return { entryPoint: listener.name, address: listener.address, isTls: listener.isTls, note }
}
