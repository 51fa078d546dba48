/** TLS clients of the tests. */
import { connect, type ConnectionOptions, type PeerCertificate } from 'node:tls'
import type { Answer } from './tls-server.ts'

export interface ClientResult {
  readonly answer: Answer
  readonly peer: PeerCertificate
  /** The last session the server gave, for the next connection. */
  readonly session: Buffer | undefined
  readonly cipher: string
}

/** One request; rejects when the handshake fails. */
export function request(port: number, options: ConnectionOptions): Promise<ClientResult> {
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined
    let text = ''
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    client.on('error', reject)
    client.on('session', (value: Buffer) => (session = value))
    client.on('secureConnect', () => client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    client.on('data', (chunk: Buffer) => (text += chunk.toString()))
    client.on('end', () => {
      const peer = client.getPeerCertificate()
      const cipher = client.getCipher().name
      client.end()
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      if (body === '') reject(new Error('connection ended without an answer'))
      else resolve({ answer: JSON.parse(body) as Answer, peer, session, cipher })
    })
  })
}
