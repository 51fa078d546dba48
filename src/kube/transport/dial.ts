/**
 * Opens the connection that requests go over: TCP, a tunnel through a proxy where one is set, TLS. Separate from the
 * data plane's connections (src/client), whose servers are verified by name only: API servers are called by address
 * (10.96.0.1), with client certificates, and through proxies. Every failure is a KubeError (`Unreachable`).
 */
import { connect, isIP, type Socket } from 'node:net'
import { lazyBuiltin } from '#lib/lazy-module.ts'
import { errorCode, errorText } from '#lib/errors.ts'
import { abortError, KubeError } from '../errors.ts'
import { openTunnel, type Proxy } from './tunnel.ts'

const nodeTls = lazyBuiltin<typeof import('node:tls')>('node:tls')

/** A peer that is gone without a word is found by the watch's own stall detection; this is for the connections at rest. */
const KEEP_ALIVE_PROBE_MS = 30_000

/** What TLS needs; PEM texts. */
export interface TlsMaterial {
  /** Authorities to trust instead of the well-known ones. */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

export interface DialTarget {
  /** Name or IP address, without brackets. */
  readonly host: string
  readonly port: number
  /** Undefined: plain text. */
  readonly tls: DialTls | undefined
  readonly proxy: Proxy | undefined
}

export interface DialTls extends TlsMaterial {
  /** Name that the certificate must be for; `host` when undefined. */
  readonly serverName: string | undefined
  readonly verify: boolean
}

/** A connected socket, TLS included, paused. */
export async function dial(target: DialTarget, signal: AbortSignal): Promise<Socket> {
  const { host, port, tls, proxy } = target
  if (proxy === undefined) {
    const socket = await connectTcp(host, port, signal)
    return tls === undefined ? socket : secure(socket, host, port, tls, signal)
  }
  const outer = await connectTcp(proxy.host, proxy.port, signal)
  const { isTls, host: proxyHost, port: proxyPort } = proxy
  const carrier = isTls
    ? await secure(outer, proxyHost, proxyPort, { serverName: undefined, verify: true }, signal)
    : outer
  await openTunnel(carrier, proxy, host, port, signal)
  return tls === undefined ? carrier : secure(carrier, host, port, tls, signal)
}

function connectTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
  })
  return settle(socket, 'connect', `connect to ${host}:${port}`, signal)
}

function secure(
  below: Socket,
  host: string,
  port: number,
  tls: DialTls,
  signal: AbortSignal,
): Promise<Socket> {
  const { connect, checkServerIdentity } = nodeTls()
  const expected = tls.serverName ?? host
  let socket: Socket
  try {
    socket = connect({
      socket: below,
      // RFC 6066 §3: an address is no server name.
      ...(isIP(expected) === 0 ? { servername: expected } : {}),
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      rejectUnauthorized: tls.verify,
      // Without a server name Node would compare with the name of nothing.
      checkServerIdentity: (_name, certificate) => checkServerIdentity(expected, certificate),
      ALPNProtocols: ['http/1.1'],
    })
  } catch (error) {
    // The PEM texts are read here; the message is OpenSSL's and quotes nothing of them.
    below.destroy()
    const message = `TLS to ${host}:${port}: the certificates or the key cannot be used: ${errorText(error)}`
    return Promise.reject(new KubeError(0, 'Credentials', message, { cause: error }))
  }
  return settle(socket, 'secureConnect', `TLS to ${host}:${port}`, signal)
}

/** The socket once `event` came. */
function settle(socket: Socket, event: string, action: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      socket.off(event, onReady).off('error', onError).off('close', onClose)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: KubeError): void => {
      done()
      // What comes after the first error is of no interest, but must have a listener.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const onReady = (): void => {
      done()
      socket.pause()
      resolve(socket)
    }
    const onError = (error: Error): void => {
      const text = failureText(error)
      fail(new KubeError(0, 'Unreachable', `${action}: ${text}`, { cause: error }))
    }
    const onClose = (): void => fail(new KubeError(0, 'Unreachable', `${action}: closed by the server`))
    const onAbort = (): void => fail(abortError(signal, action))
    socket.on(event, onReady).on('error', onError).on('close', onClose)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** `ECONNREFUSED`, or the code and what it says where the code alone does not tell. */
function failureText(error: Error): string {
  const code = errorCode(error)
  if (code === '') return error.message
  return code.startsWith('E') && !code.startsWith('ERR_') ? code : `${code}: ${error.message}`
}
