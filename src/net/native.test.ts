/** The internals of Node that src/net/native.ts reaches: what is relied on, so that an upgrade that changes it fails here. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getSystemErrorName } from 'node:util'
import { createSecureContext, TLSSocket } from 'node:tls'
import { Socket } from 'node:net'
import {
  lastWriteWasAsync,
  newConnectRequest,
  newListeningHandle,
  newShutdownRequest,
  newTcpHandle,
  newWriteRequest,
  readResult,
  UV_EOF,
  type NativeAddress,
  type NativeHandle,
  type NativeRequest,
} from './native.ts'

const METHODS = [
  'open',
  'bind',
  'bind6',
  'listen',
  'connect',
  'connect6',
  'readStart',
  'readStop',
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'shutdown',
  'useUserBuffer',
  'setNoDelay',
  'setKeepAlive',
  'getpeername',
  'getsockname',
  'reset',
  'close',
] as const

/** Two connected handles, and what is read from the first one. */
interface Joined {
  readonly near: NativeHandle
  readonly far: NativeHandle
  readonly close: () => Promise<void>
}

async function join(): Promise<Joined> {
  const listening = newListeningHandle()
  assert.equal(listening.bind('127.0.0.1', 0), 0)
  const far = new Promise<NativeHandle>((resolve, reject) => {
    listening.onconnection = (status, client) => {
      if (status === 0 && client !== undefined) resolve(client)
      else reject(new Error(getSystemErrorName(status)))
    }
  })
  assert.equal(listening.listen(8), 0)
  const address: NativeAddress = {}
  assert.equal(listening.getsockname(address), 0)
  const near = newTcpHandle()
  const connected = new Promise<number>((resolve) => {
    const request = newConnectRequest()
    request.oncomplete = (status) => resolve(status)
    assert.equal(near.connect(request, '127.0.0.1', address.port!), 0)
  })
  assert.equal(await connected, 0)
  const other = await far
  await closed(listening)
  return {
    near,
    far: other,
    close: async () => {
      await Promise.all([near, other].map(closed))
    },
  }
}

function closed(handle: NativeHandle): Promise<void> {
  return new Promise((resolve) => {
    handle.close(resolve)
  })
}

/** Results of reads in order until the end or an error, and the bytes as text. */
function readAll(handle: NativeHandle, buffers: readonly Buffer[]): Promise<{ text: string; last: number }> {
  let current = 0
  let text = ''
  handle.useUserBuffer(buffers[0]!)
  return new Promise((resolve) => {
    handle.onread = () => {
      const result = readResult()
      if (result < 0) {
        resolve({ text, last: result })
        return undefined
      }
      text += buffers[current]!.toString('latin1', 0, result)
      // From now on into the other one: a Buffer that is returned replaces the present one.
      current = (current + 1) % buffers.length
      return buffers[current]
    }
    assert.equal(handle.readStart(), 0)
  })
}

describe('handles of libuv', () => {
  it('have the methods and properties that are used', async () => {
    const { near, close } = await join()
    const missing = METHODS.filter((method) => typeof near[method] !== 'function')
    assert.deepEqual(missing, [])
    assert.ok(near.fd > 2)
    assert.equal(near.writeQueueSize, 0)
    assert.equal(near.setNoDelay(true), 0)
    assert.equal(near.setKeepAlive(true, 60), 0)
    const peer: NativeAddress = {}
    assert.equal(near.getpeername(peer), 0)
    assert.equal(peer.address, '127.0.0.1')
    assert.equal(peer.family, 'IPv4')
    assert.equal(typeof peer.port, 'number')
    await close()
  })

  it('read into a given buffer, change it on request, and tell the end as UV_EOF', async () => {
    const { near, far, close } = await join()
    const buffers = [Buffer.alloc(4), Buffer.alloc(4)]
    const all = readAll(far, buffers)
    for (const text of ['abcdefgh', 'ij']) assert.equal(near.writeLatin1String(newWriteRequest(), text), 0)
    assert.equal(lastWriteWasAsync(), false)
    const request = newShutdownRequest()
    const done = new Promise<number>((resolve) => {
      request.oncomplete = resolve
    })
    assert.equal(near.shutdown(request), 0)
    assert.deepEqual(await all, { text: 'abcdefghij', last: UV_EOF })
    assert.equal(await done, 0)
    assert.equal(
      buffers[0]!.toString('latin1'),
      'ijcd',
      'the first buffer was not used again for the third read',
    )
    await close()
  })

  it('write strings as latin1, buffers, and lists of buffers', async () => {
    const { near, far, close } = await join()
    const all = readAll(far, [Buffer.alloc(64)])
    const request = newWriteRequest()
    // A request that was not needed may be used for the next write.
    assert.equal(near.writeLatin1String(request, 'a\xff'), 0)
    assert.equal(near.writeBuffer(request, Buffer.from('b')), 0)
    assert.equal(near.writev(request, [Buffer.from('c'), Buffer.from('d')], true), 0)
    assert.equal(lastWriteWasAsync(), false)
    near.shutdown(newShutdownRequest())
    assert.equal((await all).text, 'a\xffbcd')
    await close()
  })

  it('a write that the kernel does not take whole is asynchronous and completes with the request as `this`', async () => {
    const { near, far, close } = await join()
    const content = Buffer.alloc(16 << 20, 'x')
    const request = newWriteRequest()
    assert.equal(near.writeBuffer(request, content), 0)
    assert.equal(lastWriteWasAsync(), true)
    assert.ok(near.writeQueueSize > 0)
    assert.equal(request.buffer, null, 'Node keeps what is written now: NetConnection need not')
    assert.equal(request.writeStatus, null)
    const completed = new Promise<{ self: NativeRequest; status: number }>((resolve) => {
      request.oncomplete = function (status) {
        resolve({ self: this, status })
      }
    })
    let bytes = 0
    far.useUserBuffer(Buffer.alloc(65536))
    far.onread = () => {
      bytes += Math.max(0, readResult())
      return undefined
    }
    far.readStart()
    const { self, status } = await completed
    assert.equal(self, request)
    assert.equal(status, 0)
    assert.equal(near.writeQueueSize, 0)
    assert.ok(bytes > 0)
    await close()
  })

  it('a write that never went out is cancelled by close', async () => {
    const { near, close } = await join()
    const request = newWriteRequest()
    near.writeBuffer(request, Buffer.alloc(16 << 20))
    const status = new Promise<number>((resolve) => {
      request.oncomplete = resolve
    })
    const gone = close()
    assert.equal(getSystemErrorName(await status), 'ECANCELED')
    await gone
  })

  it('reset is seen by the peer', async () => {
    const { near, far } = await join()
    const all = readAll(far, [Buffer.alloc(64)])
    await new Promise<void>((resolve) => {
      assert.equal(near.reset(resolve), 0)
    })
    assert.equal(getSystemErrorName((await all).last), 'ECONNRESET')
    await closed(far)
  })

  it('a refused connection completes with the error', async () => {
    const listening = newListeningHandle()
    listening.bind('127.0.0.1', 0)
    const address: NativeAddress = {}
    listening.getsockname(address)
    await closed(listening)
    const handle = newTcpHandle()
    const status = await new Promise<number>((resolve) => {
      const request = newConnectRequest()
      request.oncomplete = resolve
      handle.connect(request, '127.0.0.1', address.port!)
    })
    assert.equal(getSystemErrorName(status), 'ECONNREFUSED')
    await closed(handle)
  })

  it('a TLS socket over a handle has a handle that speaks the same language', async () => {
    const { near, far } = await join()
    const socket = new TLSSocket(new Socket({ handle: near } as never), {
      isServer: true,
      secureContext: createSecureContext(),
    })
    const handle = (socket as unknown as { _handle: NativeHandle & { receive: unknown } })._handle
    const needed = [
      'readStart',
      'readStop',
      'writeLatin1String',
      'writeBuffer',
      'writev',
      'shutdown',
      'useUserBuffer',
    ] as const
    assert.deepEqual(
      needed.filter((method) => typeof handle[method] !== 'function'),
      [],
    )
    assert.equal(typeof handle.receive, 'function')
    assert.equal(handle.writeQueueSize, 0)
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.destroy()
    })
    await closed(far)
  })
})
