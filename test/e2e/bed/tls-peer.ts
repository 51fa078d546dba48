/** A TLS client that sends bytes and reads all, and certificates for the gateways of the tests. */
import { once } from 'node:events'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { RawConnection } from './raw-peer.ts'

export class TlsConnection extends RawConnection implements Disposable {
  declare readonly socket: TLSSocket
  /** The last session that the server gave. */
  session: Buffer | undefined

  constructor(socket: TLSSocket) {
    super(socket)
    socket.on('session', (session: Buffer) => (this.session = session))
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** Connects and shakes hands, verifying nothing unless told; rejects with what TLS says. */
export async function tlsClient(port: number, options: ConnectionOptions = {}): Promise<TlsConnection> {
  const connection = new TlsConnection(
    connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }),
  )
  await once(connection.socket, 'secureConnect')
  return connection
}

/** A Secret of type kubernetes.io/tls. */
export function tlsSecret(
  name: string,
  pair: { readonly certificate: string; readonly key: string },
  namespace = 'default',
): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': pair.certificate, 'tls.key': pair.key },
  })
}
