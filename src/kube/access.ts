/**
 * Where the API server is and who we are: what a kubeconfig file or a pod's service account come to, and what the client
 * asks. Credentials are asked for each request and each connection, because tokens and certificates rotate.
 */
import type { Proxy } from './transport/tunnel.ts'

export interface ClusterAccess {
  /** Scheme, host, port, and the path below which the API is, without a slash at its end. */
  readonly server: ServerAddress
  /** Namespace to use where none is asked for. */
  readonly namespace: string
  /** For messages: `context prod`, `in-cluster`. */
  readonly origin: string
  readonly proxy: Proxy | undefined
  readonly tls: TlsTrust
  readonly credentials: Credentials
  /** Further fields of every request (impersonation): name, value. */
  readonly headers: readonly (readonly [string, string])[]
}

export interface ServerAddress {
  readonly isTls: boolean
  /** Name or IP address, without brackets. */
  readonly host: string
  readonly port: number
  /** `''` or `/prefix`. */
  readonly basePath: string
}

export interface TlsTrust {
  /** Name that the certificate must be for, where that is not the host. */
  readonly serverName: string | undefined
  readonly verify: boolean
  /** PEM of the authorities to trust, as it is now; undefined: the well-known ones. Throws a KubeError. */
  authorities(): string | undefined
}

export interface ClientCertificate {
  /** PEM, leaf first. */
  readonly certificate: string
  readonly key: string
}

export interface Credentials {
  /** Value of `Authorization`, undefined for none. Rejects with a KubeError (`Credentials`). */
  authorization(): Promise<string | undefined>
  /** For the next connection. Rejects with a KubeError (`Credentials`). */
  clientCertificate(): Promise<ClientCertificate | undefined>
  /** Grows when connections opened before carry an old identity. */
  readonly generation: number
  /** The server answered 401. True: what is asked for next may differ, so another try makes sense. */
  rejected(): boolean
}

/** Address of a `server:` URL. Throws a TypeError with a message for people. */
export function serverAddress(text: string): ServerAddress {
  // client-go takes `host:port` as well.
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new TypeError(`${JSON.stringify(text)} is not the URL of an API server, as https://host:6443`)
  if (url.username !== '' || url.password !== '')
    throw new TypeError('the URL of an API server has no user; put credentials into the user entry')
  const isTls = url.protocol === 'https:'
  return {
    isTls,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    basePath: url.pathname.replace(/\/+$/, ''),
  }
}
