import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { decodeStatic, type EntryPoint } from '#config/static/static.ts'
import { ListeningSocket } from '#net/listening-socket.ts'
import type { Logger } from '#observe/log.ts'
import { bindEntryPoints, BindError, type BoundEntryPoint } from './bind.ts'

function entries(flags: object): readonly EntryPoint[] {
  const result = decodeStatic(flags)
  assert.ok(result.ok)
  return Object.values(result.config.entryPoints)
}

/** Refuses these ports with these codes and binds some other one for all the rest. */
class Machine {
  readonly asked: string[] = []
  readonly warnings: string[] = []
  readonly #refused: Readonly<Record<number, string>>

  constructor(refused: Readonly<Record<number, string>>) {
    this.#refused = refused
  }

  async bind(list: readonly EntryPoint[]): Promise<readonly BoundEntryPoint[]> {
    const logger = {
      warn: (message: string, fields: object) => {
        this.warnings.push(`${message} ${JSON.stringify(fields)}`)
      },
    } as unknown as Logger
    const bound = await bindEntryPoints(list, logger, (host, port) => {
      this.asked.push(`${host}:${port}`)
      const code = this.#refused[port]
      if (code !== undefined) throw Object.assign(new Error(code), { code })
      return ListeningSocket.bind('127.0.0.1', 0)
    })
    for (const { socket } of bound) socket.close()
    return bound
  }
}

async function failure(machine: Machine, list: readonly EntryPoint[]): Promise<string> {
  let message = ''
  await assert.rejects(machine.bind(list), (error: Error) => {
    message = error.message
    return error instanceof BindError
  })
  return message
}

describe('binding of entrypoints', () => {
  it('takes the default ports where it may', async () => {
    const machine = new Machine({})
    await machine.bind(entries({}))
    assert.deepEqual(machine.asked, [':80', ':443', '127.0.0.1:8081'])
    assert.deepEqual(machine.warnings, [])
  })

  it('takes 8080 and 8443 without the right to bind the default ports, and says so', async () => {
    const machine = new Machine({ 80: 'EACCES', 443: 'EACCES' })
    const bound = await machine.bind(entries({}))
    assert.deepEqual(machine.asked, [':80', ':8080', ':443', ':8443', '127.0.0.1:8081'])
    assert.equal(bound.length, 3)
    assert.deepEqual(machine.warnings, [
      'no right to bind the default port, another one is used {"entryPoint":"web","port":80,"instead":8080}',
      'no right to bind the default port, another one is used {"entryPoint":"websecure","port":443,"instead":8443}',
    ])
  })

  it('fails when the other port is taken, or the default port is', async () => {
    const both = new Machine({ 80: 'EACCES', 8080: 'EADDRINUSE' })
    assert.match(await failure(both, entries({})), /^entrypoint web: :8080 is in use by another program; .*/)
    const taken = new Machine({ 443: 'EADDRINUSE' })
    assert.match(await failure(taken, entries({})), /^entrypoint websecure: :443 is in use/)
    assert.deepEqual(taken.asked, [':80', ':443'])
  })

  it('never takes another port than one that was asked for', async () => {
    const machine = new Machine({ 80: 'EACCES' })
    const message = await failure(machine, entries({ entryPoints: { web: { address: ':80' } } }))
    assert.match(message, /no right to bind :80 \(ports below 1024 need CAP_NET_BIND_SERVICE\)/)
    assert.match(message, /--entryPoints\.web\.address=HOST:PORT/)
    assert.deepEqual(machine.asked, [':80'])
  })

  it('goes without the default internal entrypoint when its port is taken, but not without one that was asked for', async () => {
    const machine = new Machine({ 8081: 'EADDRINUSE' })
    assert.equal((await machine.bind(entries({}))).length, 2)
    assert.match(machine.warnings[0] ?? '', /^\/ping, \/ready and \/metrics are not served/)
    const asked = entries({ entryPoints: { traefik: { address: '127.0.0.1:8081' } } })
    assert.match(await failure(machine, asked), /^entrypoint traefik: 127\.0\.0\.1:8081 is in use/)
  })
})

describe('a socket that was inherited', () => {
  it('knows its address', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    const socket = ListeningSocket.inherit(fd)
    assert.deepEqual([socket?.host, socket?.port], ['127.0.0.1', (server.address() as AddressInfo).port])
    server.close()
  })

  it('is none when the descriptor is something else', () => {
    assert.equal(ListeningSocket.inherit(0), null)
    assert.equal(ListeningSocket.inherit(9999), null)
  })
})
