/** Whether a connection to a server can be opened: how a server that was set aside comes back. */
import { isIP } from 'node:net'
import { TimerEntry, type TimerWheel } from '#lib/timer-wheel.ts'
import type { Resolver } from '#net/names/resolver.ts'
import type { Transport } from '#net/transport/transport.ts'
import type { Server } from '../upstream/server.ts'

export async function probe(
  transport: Transport,
  resolver: Resolver,
  server: Server,
  timeoutMs: number,
  wheel: TimerWheel,
): Promise<boolean> {
  const address = await resolved(resolver, server.address)
  if (address === undefined) return false
  return new Promise((resolve) => {
    const connection = transport.connect(address, server.port, undefined, {
      onConnect: () => settle(true),
      onClose: () => settle(false),
      onData() {},
      onEnd() {},
      onDrain() {},
    })
    const timer = new TimerEntry({ onTimer: () => settle(false) }, 0)
    wheel.arm(timer, timeoutMs)
    function settle(isUp: boolean): void {
      wheel.disarm(timer)
      resolve(isUp)
      connection.destroy()
    }
  })
}

function resolved(resolver: Resolver, name: string): Promise<string | undefined> {
  if (isIP(name) !== 0) return Promise.resolve(name)
  return new Promise((resolve) => resolver.resolve(name, (addresses) => resolve(addresses[0])))
}
