/** Runs the constant-rate client as a process on the load core. */
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, type Lab } from '../lab/lab.ts'
import type { RateOptions, RateReport } from './rate-client.ts'

const CLIENT = fileURLToPath(new URL('rate-client.ts', import.meta.url))

/** `during` runs while the load does, and may start named segments. */
export async function runAtRate(
  lab: Lab,
  options: RateOptions,
  during?: (startSegment: (name: string) => void) => Promise<void>,
): Promise<RateReport> {
  const client = lab.start('rate client', {
    file: process.execPath,
    args: [CLIENT, JSON.stringify(options)],
    core: LOAD_CORE,
    hasChannel: true,
  })
  let report: RateReport | undefined
  const isReady = new Promise<void>((resolve) => {
    client.child.on('message', (message: RateReport | { ready: true }) => {
      if ('ready' in message) resolve()
      else report = message
    })
  })
  await Promise.race([isReady, client.ended])
  await during?.((name) => client.child.send(name))
  await client.ended
  if (report === undefined) throw new Error(`the rate client failed: ${client.output}`)
  return report
}
