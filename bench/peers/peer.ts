/**
 * What a benchmark needs to know of a proxy: where its program is, and how to write a configuration that does what
 * everybody else's does. One file per peer holds its configuration as text.
 *
 * The same work for all: the rules (host and path prefix by element) lead to one backend; `X-Forwarded-For`,
 * `X-Real-IP` and `X-Forwarded-Proto` are set; connections to the backend are kept; no access log; one worker or
 * thread; no limit on requests per connection.
 */

/** One router: requests for this host whose path is or lies below `path`. */
export interface Rule {
  readonly host: string
  readonly path: string
}

export interface PeerSetup {
  /** An empty directory for whatever it needs. */
  readonly dir: string
  readonly port: number
  /** A further free port, for peers that cannot do without one more listener. */
  readonly internalPort: number
  readonly backendPort: number
  readonly rules: readonly Rule[]
  /** Files in PEM; without them the port speaks plain HTTP. */
  readonly tls: TlsFiles | undefined
  readonly workers: number
}

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** Certificate and key in one file. */
  readonly both: string
}

export interface PeerCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Peer {
  readonly name: string
  /** The program, or why there is none. */
  locate(): Promise<{ readonly path?: string; readonly reason?: string }>
  version(program: string): Promise<string>
  /** Writes the configuration; answers what starts the proxy in the foreground. */
  prepare(program: string, setup: PeerSetup): PeerCommand
}

/** Rules by host, in the order of their first rule. */
export function rulesByHost(rules: readonly Rule[]): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>()
  for (const { host, path } of rules) {
    const paths = hosts.get(host)
    if (paths === undefined) hosts.set(host, [path])
    else paths.push(path)
  }
  return hosts
}

export const ROUTERS_PER_HOST = 10

/** `count` rules, ten paths to a host. */
export function manyRules(count: number): readonly Rule[] {
  return Array.from({ length: count }, (_, index) => ({
    host: `host-${Math.floor(index / ROUTERS_PER_HOST)}.example`,
    path: `/path-${index % ROUTERS_PER_HOST}`,
  }))
}
