/** Opens the sockets of the entrypoints at start, or takes over inherited ones. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { errorCode, errorText } from '#lib/errors.ts'
import { formatHostPort } from '#config/static/address.ts'
import { INTERNAL_ENTRY_POINT, UNPRIVILEGED_PORTS, type EntryPoint } from '#config/static/static.ts'
import { inheritedDescriptors, ListeningSocket } from '#net/listening-socket.ts'
import type { Logger } from '#observe/log.ts'

export interface BoundEntryPoint {
  readonly entry: EntryPoint
  readonly socket: ListeningSocket
}

/** A port that was asked for and cannot be had. The message says which, why and what to do. */
export class BindError extends Error {}

/** Binds an address and listens; replaced in tests. Throws an Error with `code`. */
export type Bind = (host: string, port: number) => ListeningSocket

/** All or none. Throws a BindError. */
export async function bindEntryPoints(
  entries: readonly EntryPoint[],
  logger: Logger,
  bind: Bind = (host, port) => ListeningSocket.bind(host, port),
): Promise<BoundEntryPoint[]> {
  const inherited = descriptorsByEntryPoint(entries.map((entry) => entry.name))
  const bound: BoundEntryPoint[] = []
  try {
    for (const entry of entries) {
      const fd = inherited.get(entry.name)
      const socket = fd === undefined ? await bindOne(entry, logger, bind) : inherit(entry, fd)
      if (socket !== null) bound.push({ entry, socket })
    }
  } catch (error) {
    for (const { socket } of bound) socket.close()
    throw error
  }
  return bound
}

/** Descriptors that were passed, by entrypoint. One that is for none, or a second one for the same, is an error. */
function descriptorsByEntryPoint(names: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const { name, fd } of inheritedDescriptors(process.env, process.pid)) {
    if (names.includes(name) && !found.has(name)) {
      found.set(name, fd)
      continue
    }
    const problem = found.has(name) ? 'which another one has too' : 'which is no entrypoint'
    throw new BindError(
      `the socket passed as descriptor ${fd} (LISTEN_FDS) is named ${JSON.stringify(name)}, ${problem}; ` +
        `name it in LISTEN_FDNAMES (systemd: FileDescriptorName=) as one of: ${names.join(', ')}`,
    )
  }
  return found
}

function inherit({ name }: EntryPoint, fd: number): ListeningSocket {
  const socket = ListeningSocket.inherit(fd)
  if (socket !== null) return socket
  throw new BindError(
    `entrypoint ${name}: descriptor ${fd}, passed by LISTEN_FDS, is no listening TCP socket`,
  )
}

async function bindOne(entry: EntryPoint, logger: Logger, bind: Bind): Promise<ListeningSocket | null> {
  const { name, address, isDefault } = entry
  const host = await addressOf(entry)
  try {
    return bind(host, address.port)
  } catch (error) {
    const code = errorCode(error) ?? ''
    const other = UNPRIVILEGED_PORTS[address.port]
    if (isDefault && code === 'EACCES' && other !== undefined) {
      logger.warn('no right to bind the default port, another one is used', {
        entryPoint: name,
        port: address.port,
        instead: other,
      })
      return bindInstead(name, host, other, bind)
    }
    if (isDefault && name === INTERNAL_ENTRY_POINT) {
      logger.warn('/ping, /ready and /metrics are not served: their port is taken', {
        address: formatHostPort(address),
        hint: `--entryPoints.${name}.address=127.0.0.1:PORT gives them another`,
      })
      return null
    }
    throw new BindError(reasonText(name, formatHostPort(address), code, error))
  }
}

function bindInstead(name: string, host: string, port: number, bind: Bind): ListeningSocket {
  try {
    return bind(host, port)
  } catch (error) {
    throw new BindError(reasonText(name, formatHostPort({ host, port }), errorCode(error) ?? '', error))
  }
}

async function addressOf({ name, address }: EntryPoint): Promise<string> {
  if (address.host === '' || isIP(address.host) !== 0) return address.host
  try {
    return (await lookup(address.host)).address
  } catch (error) {
    throw new BindError(
      `entrypoint ${name}: the name ${address.host} does not resolve (${errorCode(error) ?? errorText(error)}); give an IP address`,
    )
  }
}

function reasonText(name: string, address: string, code: string, error: unknown): string {
  const hint = `--entryPoints.${name}.address=HOST:PORT gives it another`
  switch (code) {
    case 'EADDRINUSE':
      return `entrypoint ${name}: ${address} is in use by another program; end that one, or ${hint}`
    case 'EACCES':
      return `entrypoint ${name}: no right to bind ${address} (ports below 1024 need CAP_NET_BIND_SERVICE); ${hint}`
    case 'EADDRNOTAVAIL':
      return `entrypoint ${name}: ${address} is no address of this machine; ${hint}`
    default:
      return `entrypoint ${name}: cannot listen on ${address}: ${code === '' ? errorText(error) : code}`
  }
}
