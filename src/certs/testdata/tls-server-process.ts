/** `startTlsServer` in a process of its own, told what to hold by messages; see `ServerMessage`. */
import type { CertificateConfig } from '#config/model/dynamic.ts'
import { CertificateStore } from '../store.ts'
import { startTlsServer } from './tls-server.ts'

/** Answered with the port, after everything in it holds. Keys are base64. */
export interface ServerMessage {
  readonly certificate?: CertificateConfig
  readonly currentKey?: string
  readonly previousKey?: string
}

const store = new CertificateStore()
const server = await startTlsServer(store)

process.on('message', (message: ServerMessage) => {
  if (message.certificate !== undefined) store.set(message.certificate.name, message.certificate)
  if (message.currentKey !== undefined) {
    const current = Buffer.from(message.currentKey, 'base64')
    const previous = message.previousKey
    store.setTicketKeys(
      previous === undefined ? { current } : { current, previous: Buffer.from(previous, 'base64') },
    )
  }
  process.send?.(server.port)
})
process.on('disconnect', () => process.exit(0))
