import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { acceptEcho } from './websocket-echo.ts'

describe('websocket echo', () => {
  const server = createServer().on('upgrade', acceptEcho)
  let url = ''
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  after(() => server.close())

  it('sends text and binary messages of every length back', async () => {
    const client = new WebSocket(url)
    await once(client, 'open')
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
      const sent = Buffer.alloc(length, 'abc')
      client.send(sent, { binary: length % 2 === 0 })
      const [data, isBinary] = (await once(client, 'message')) as [Buffer, boolean]
      assert.equal(data.equals(sent), true, `${length}`)
      assert.equal(isBinary, length % 2 === 0)
    }
    client.close()
    await once(client, 'close')
  })

  it('passes fragments on, answers pings, and gives the close code back', async () => {
    const client = new WebSocket(url)
    await once(client, 'open')
    client.send('a', { fin: false })
    client.ping('p')
    const [pong] = (await once(client, 'pong')) as [Buffer]
    assert.equal(pong.toString(), 'p')
    client.send('b', { fin: true })
    const [data] = (await once(client, 'message')) as [Buffer]
    assert.equal(data.toString(), 'ab')
    client.close(4001)
    const [code] = (await once(client, 'close')) as [number]
    assert.equal(code, 4001)
  })

  it('refuses a request that is no WebSocket handshake', async () => {
    const client = new WebSocket(url, { protocolVersion: 8 })
    const [error] = (await once(client, 'error')) as [Error]
    assert.match(error.message, /400/)
  })
})
