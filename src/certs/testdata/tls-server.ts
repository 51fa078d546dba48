/**
 * A TLS server on a `CertificateStore`, as the accept pipeline uses it: raw socket, ClientHello read by us, the store's
 * choice, then TLS on the bytes already read. Answers every request with one line of JSON about the connection.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ClientHelloReader, looksLikeTls } from '#wire/client-hello/client-hello-reader.ts'
import { COMPLETE, NEED_MORE } from '#wire/client-hello/result.ts'
import type { CertificateStore } from '../store.ts'

export interface Answer {
  readonly matched: string
  readonly certificates: readonly string[]
  readonly isResumed: boolean
  readonly protocol: string
  readonly alpn: string
}

export interface TestTlsServer {
  readonly port: number
  close(): Promise<void>
}

export async function startTlsServer(store: CertificateStore): Promise<TestTlsServer> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    accept(store, socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function accept(store: CertificateStore, socket: Socket): void {
  const reader = new ClientHelloReader()
  const onData = (chunk: Buffer): void => {
    const isFirst = reader.bytes.length === 0
    const result = isFirst && !looksLikeTls(chunk[0] ?? 0) ? -1 : reader.read(chunk, 0, chunk.length)
    if (result === NEED_MORE) return
    socket.off('data', onData)
    if (result !== COMPLETE) {
      socket.destroy()
      return
    }
    socket.pause()
    socket.unshift(reader.bytes)
    startTls(store, reader, socket)
  }
  socket.on('data', onData)
}

function startTls(store: CertificateStore, reader: ClientHelloReader, socket: Socket): void {
  const choice = store.select(reader.hello)
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: choice.secureContext,
    ALPNProtocols: [...choice.alpnProtocols],
  })
  secure.on('error', () => socket.destroy())
  secure.once('data', () => {
    const answer: Answer = {
      matched: choice.matched,
      certificates: choice.certificates,
      isResumed: secure.isSessionReused(),
      protocol: secure.getProtocol() ?? '',
      alpn: secure.alpnProtocol || '',
    }
    const body = `${JSON.stringify(answer)}\n`
    secure.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
  })
}
