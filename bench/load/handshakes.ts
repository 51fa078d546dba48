/** Runs the handshake client on the load core and says what the handshakes cost the proxy. */
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, type Lab, type Started } from '../lab/lab.ts'
import type { HandshakeReport } from './handshake-client.ts'

const CLIENT = fileURLToPath(new URL('handshake-client.ts', import.meta.url))
const CONCURRENCY = 16

export interface HandshakeSample {
  readonly cpuMicros: number
  readonly handshakesPerSecond: number
}

export async function shakeHands(
  lab: Lab,
  proxy: Started,
  port: number,
  serverName: string,
  seconds: number,
): Promise<HandshakeSample> {
  const before = proxy.use()
  const client = lab.start('handshake client', {
    file: process.execPath,
    args: [CLIENT, String(port), serverName, String(seconds * 1000), String(CONCURRENCY)],
    core: LOAD_CORE,
    hasChannel: true,
  })
  let report: HandshakeReport | undefined
  client.child.on('message', (message: HandshakeReport) => {
    report = message
  })
  await client.ended
  if (report === undefined || report.handshakes === 0 || report.failed > 0)
    throw new Error(`handshakes with ${proxy.name} failed: ${JSON.stringify(report)} ${client.output}`)
  return {
    cpuMicros: (proxy.use().cpuMicros - before.cpuMicros) / report.handshakes,
    handshakesPerSecond: report.handshakes / seconds,
  }
}
