/**
 * The quickstart's backends: a process of its own with a few small HTTP servers on free loopback ports. Sends their
 * ports to its parent once all listen, and ends when the parent does.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { acceptEcho } from './websocket-echo.ts'

/** Name of the Service → ports of its servers, sent to the parent. */
export type BackendPorts = Readonly<Record<string, readonly number[]>>

/** Servers per Service of examples/quickstart. */
const REPLICAS: Readonly<Record<string, number>> = { shop: 2, cart: 1, blog: 1, echo: 1 }

async function listen(name: string, replica: number): Promise<number> {
  const server = createServer((request, response) => {
    response.setHeader('X-Served-By', `${name}-${replica}`)
    response.setHeader('Content-Type', 'text/plain')
    response.end(`${name}: ${request.method} ${request.url}\n`)
  })
  if (name === 'echo') server.on('upgrade', acceptEcho)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

// Ctrl-C goes to the whole process group: the gateway drains first, then its end closes the channel.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
process.on('disconnect', () => process.exit(0))

const ports: Record<string, readonly number[]> = {}
for (const [name, replicas] of Object.entries(REPLICAS)) {
  const numbers = Array.from({ length: replicas }, (_, index) => index + 1)
  ports[name] = await Promise.all(numbers.map((replica) => listen(name, replica)))
}
process.send?.(ports satisfies BackendPorts)
