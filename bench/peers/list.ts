/** Every peer, in the order of the tables; nginx is what the others are compared with. */
import { caddy } from './caddy.ts'
import { envoy } from './envoy.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import type { Peer } from './peer.ts'
import { sekisho } from './sekisho.ts'
import { traefik } from './traefik.ts'

export const BASELINE = nginx.name
export const PEERS: readonly Peer[] = [nginx, haproxy, envoy, traefik, caddy, sekisho]

/** Program → Debian package. */
export const DEBIAN_PACKAGES: ReadonlyMap<string, string> = new Map([
  ['nginx', 'nginx-light'],
  ['haproxy', 'haproxy'],
  ['caddy', 'caddy'],
  ['wrk', 'wrk'],
  ['taskset', 'util-linux'],
])
