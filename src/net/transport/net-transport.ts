/** The portable transport, on the handles of `node:net` and `node:tls`; also the oracle for later ones. */
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { lazyBuiltin } from '#lib/lazy-module.ts'
import { getSystemErrorName } from 'node:util'
import type { ConnectionFacts, TransportError } from '../connection.ts'
import {
  newConnectRequest,
  newListeningHandle,
  newTcpHandle,
  type NativeHandle,
  type NativeRequest,
} from '../native.ts'
import { NetConnection } from './net-connection.ts'
import { SocketFacts } from './socket-facts.ts'
import type {
  ConnectHandler,
  Listener,
  TlsClientOptions,
  TlsHandler,
  TlsServerOptions,
  Transport,
  TransportConnection,
  TransportHost,
} from './transport.ts'

const nodeTls = lazyBuiltin<typeof import('node:tls')>('node:tls')

const KEEP_ALIVE_PROBE_SECONDS = 60

class NetTransportConnection extends NetConnection implements TransportConnection {
  startTls(options: TlsServerOptions, bytesRead: Buffer, handler: TlsHandler): void {
    this.stopRawReading()
    const below = new Socket({ handle: this.handle } as never)
    const socket = new (nodeTls().TLSSocket)(below, {
      isServer: true,
      secureContext: options.secureContext,
      ALPNProtocols: [...options.alpnProtocols],
    })
    attachTls(this, socket, below, 'secure', options.serverName, handler)
    ;(handleOf(socket) as unknown as { receive(bytes: Buffer): void }).receive(bytesRead)
  }
}

export class NetTransport implements Transport {
  readonly #host: TransportHost

  constructor(host: TransportHost) {
    this.#host = host
  }

  listen(
    fd: number,
    backlog: number,
    divert: (fd: number) => boolean,
    onConnection: (connection: TransportConnection) => void,
  ): Listener {
    const listening = newListeningHandle()
    check(listening.open(fd))
    listening.onconnection = (status, client) => {
      // A failed accept (out of descriptors, peer gone already) is libuv's to retry; the caps in proxy/accept keep
      // it from happening for want of descriptors.
      if (status !== 0 || client === undefined) return
      if (divert(client.fd)) {
        client.close()
        return
      }
      const connection = this.#accepted(client)
      try {
        onConnection(connection)
      } catch (error) {
        connection.fault(error)
      }
    }
    check(listening.listen(backlog))
    return { close: () => listening.close() }
  }

  adopt(fd: number): TransportConnection {
    const handle = newTcpHandle()
    check(handle.open(fd))
    return this.#accepted(handle)
  }

  connect(
    address: string,
    port: number,
    tls: TlsClientOptions | undefined,
    handler: ConnectHandler,
  ): TransportConnection {
    const handle = newTcpHandle()
    const facts: ConnectionFacts = {
      remoteAddress: address,
      remotePort: port,
      localAddress: '',
      localPort: 0,
    }
    const connection = new NetTransportConnection(handle, facts, this.#host)
    connection.handler = handler
    const request = newConnectRequest()
    request.oncomplete = function (this: NativeRequest, status: number) {
      if (connection.isClosed) return
      if (status < 0) {
        connection.failWith({ code: getSystemErrorName(status), message: `connect to ${address}:${port}` })
        return
      }
      handle.setNoDelay(true)
      handle.setKeepAlive(true, KEEP_ALIVE_PROBE_SECONDS)
      if (tls === undefined) {
        connection.start()
        tell(connection, handler)
      } else {
        startClientTls(connection, tls, handler)
      }
    }
    const status = address.includes(':')
      ? handle.connect6(request, address, port)
      : handle.connect(request, address, port)
    if (status !== 0) {
      const code = getSystemErrorName(status)
      setImmediate(() => connection.failWith({ code, message: `connect to ${address}:${port}` }))
    }
    return connection
  }

  #accepted(handle: NativeHandle): NetTransportConnection {
    handle.setNoDelay(true)
    const connection = new NetTransportConnection(handle, new SocketFacts(handle), this.#host)
    connection.start()
    return connection
  }
}

function startClientTls(connection: NetConnection, options: TlsClientOptions, handler: ConnectHandler): void {
  const below = new Socket({ handle: connection.handle } as never)
  const socket = nodeTls().connect({
    socket: below,
    ...(options.serverName === '' ? {} : { servername: options.serverName }),
    rejectUnauthorized: options.verify,
    ALPNProtocols: [...options.alpnProtocols],
    ...(options.secureContext === undefined ? {} : { secureContext: options.secureContext }),
    // Without a name nothing can be compared: verification then means the chain only.
    ...(options.serverName === '' ? { checkServerIdentity: () => undefined } : {}),
  })
  attachTls(connection, socket, below, 'secureConnect', options.serverName, {
    onSecure: () => tell(connection, handler),
    onTlsError: () => {},
  })
}

function tell(connection: NetConnection, handler: ConnectHandler): void {
  try {
    handler.onConnect()
  } catch (error) {
    connection.fault(error)
  }
}

/** Moves `connection` onto the TLS handle of `socket`, whose stream side is not used. */
function attachTls(
  connection: NetConnection,
  socket: TLSSocket,
  below: Socket,
  /** A server's socket emits `secure` alone; a client's emits the other once the certificate has been looked at. */
  secureEvent: 'secure' | 'secureConnect',
  serverName: string,
  handler: TlsHandler,
): void {
  connection.replaceHandle(handleOf(socket), socket, below)
  let isReported = false
  const onError = (error: Error & { code?: string }): void => {
    if (isReported) return
    isReported = true
    const failure: TransportError = { code: error.code ?? 'ERR_TLS', message: error.message }
    try {
      handler.onTlsError(failure)
    } catch (fault) {
      connection.fault(fault)
    }
    connection.failWith(failure)
  }
  socket.on('error', onError)
  socket.on('_tlsError', onError)
  socket.on('close', () => connection.onTlsClosed())
  const onSecure = (): void => {
    const { remoteAddress, remotePort, localAddress, localPort, proxiedPort } = connection.facts
    const cipher = socket.getCipher()
    connection.facts = {
      remoteAddress,
      remotePort,
      localAddress,
      localPort,
      ...(proxiedPort === undefined ? {} : { proxiedPort }),
      tls: {
        serverName,
        alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
        version: socket.getProtocol() ?? '',
        cipher: cipher?.standardName ?? '',
        resumed: socket.isSessionReused(),
      },
    }
    try {
      handler.onSecure()
    } catch (error) {
      connection.fault(error)
    }
  }
  socket.once(secureEvent, onSecure)
}

function handleOf(socket: TLSSocket): NativeHandle {
  return (socket as unknown as { _handle: NativeHandle })._handle
}

function check(status: number): void {
  if (status === 0) return
  const code = getSystemErrorName(status)
  throw Object.assign(new Error(code), { code })
}
