/**
 * Full TLS handshakes, one connection each, run as a program of its own: no session is offered, so none is resumed.
 * Arguments: port, server name, milliseconds, connections at a time. Sends `{ handshakes, failed }` to its parent.
 */
import { connect } from 'node:tls'

export interface HandshakeReport {
  readonly handshakes: number
  readonly failed: number
}

function main(port: number, servername: string, durationMs: number, concurrency: number): void {
  let handshakes = 0
  let failed = 0
  let open = 0
  const deadline = performance.now() + durationMs
  const next = (): void => {
    if (performance.now() >= deadline) {
      if (open === 0) report({ handshakes, failed })
      return
    }
    open++
    let isSecure = false
    // The peers share a certificate made for this run; who signed it does not matter here.
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
    socket.once('secureConnect', () => {
      isSecure = true
      handshakes++
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      if (!isSecure) failed++
      open--
      next()
    })
  }
  for (let index = 0; index < concurrency; index++) next()
}

function report(figures: HandshakeReport): void {
  process.send?.(figures, () => process.disconnect?.())
}

if (import.meta.main) {
  const [port, servername = '', durationMs, concurrency] = process.argv.slice(2)
  main(Number(port), servername, Number(durationMs), Number(concurrency))
}
