import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CertificateStore } from './store.ts'
import { configOf, TestAuthority } from './testdata/authority.ts'
import { request } from './testdata/tls-client.ts'
import type { ServerMessage } from './testdata/tls-server-process.ts'
import { startTlsServer, type TestTlsServer } from './testdata/tls-server.ts'
import { generateTicketKey } from './ticket-keys.ts'

const SERVER = fileURLToPath(new URL('testdata/tls-server-process.ts', import.meta.url))
const authority = new TestAuthority('Resumption Root')
const certificate = configOf('web', authority.issue(['shop.example']))
const keys = Array.from({ length: 3 }, generateTicketKey) as [Buffer, Buffer, Buffer]
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

async function tell(child: ChildProcess, message: ServerMessage): Promise<number> {
  child.send(message)
  const [port] = (await once(child, 'message')) as [number]
  return port
}

/** Keys after so many rotations. */
function generation(n: 0 | 1 | 2): ServerMessage {
  const current = keys[n].toString('base64')
  return n === 0
    ? { currentKey: current }
    : { currentKey: current, previousKey: (keys[n - 1] as Buffer).toString('base64') }
}

let children: ChildProcess[] = []
before(() => {
  children = [fork(SERVER), fork(SERVER)]
})
after(() => {
  for (const child of children) child.disconnect()
})

test('tickets of one process resume in another, after one rotation too and not after two', async () => {
  const [first, second] = children as [ChildProcess, ChildProcess]
  const port = await tell(first, { certificate, ...generation(0) })
  const otherPort = await tell(second, { certificate, ...generation(0) })
  for (const version of VERSIONS) {
    await tell(second, generation(0))
    const options = { servername: 'shop.example', minVersion: version, maxVersion: version }
    const full = await request(port, options)
    assert.equal(full.answer.isResumed, false)
    assert.equal(full.answer.protocol, version)
    assert.ok(full.session)
    const resumed = { ...options, session: full.session }
    assert.equal((await request(otherPort, resumed)).answer.isResumed, true, `${version}, same key`)
    await tell(second, generation(1))
    const late = await request(otherPort, resumed)
    assert.equal(late.answer.isResumed, true, `${version}, one rotation`)
    await tell(second, generation(2))
    const tooLate = await request(otherPort, resumed)
    assert.equal(tooLate.answer.isResumed, false, `${version}, two rotations`)
    // What a full handshake gave is good again.
    assert.ok(tooLate.session)
    assert.equal(
      (await request(otherPort, { ...options, session: tooLate.session })).answer.isResumed,
      true,
      `${version}, new ticket`,
    )
  }
})

test('openssl resumes as well', async () => {
  const [first, second] = children as [ChildProcess, ChildProcess]
  const port = await tell(first, { certificate, ...generation(0) })
  const otherPort = await tell(second, { certificate, ...generation(1) })
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-tls-'))
  try {
    for (const flag of ['-tls1_2', '-tls1_3']) {
      const file = join(folder, flag)
      assert.match(await sClient(port, flag, '-sess_out', file), /^New, /m)
      assert.match(await sClient(otherPort, flag, '-sess_in', file), /^Reused, /m)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a ticket is good for the certificate it began under, renewed or not, and for no other', async () => {
  const store = new CertificateStore()
  store.setTicketKeys({ current: keys[0] })
  store.set('web', certificate)
  store.set('other', configOf('other', authority.issue(['other.example'])))
  const server: TestTlsServer = await startTlsServer(store)
  try {
    for (const version of VERSIONS) {
      const versions = { minVersion: version, maxVersion: version } as const
      const { session } = await request(server.port, { servername: 'shop.example', ...versions })
      assert.ok(session)
      const elsewhere = await request(server.port, { servername: 'other.example', ...versions, session })
      assert.equal(elsewhere.answer.isResumed, false)
      store.set('web', configOf('web', authority.issue(['shop.example'])))
      const renewed = await request(server.port, { servername: 'shop.example', ...versions, session })
      assert.equal(renewed.answer.isResumed, true)
      // The same host out of another Secret.
      store.remove('web')
      store.set('web2', configOf('web2', authority.issue(['shop.example'])))
      const moved = await request(server.port, { servername: 'shop.example', ...versions, session })
      assert.deepEqual(moved.answer.certificates, ['web2'])
      assert.equal(moved.answer.isResumed, false)
      store.remove('web2')
      store.set('web', certificate)
    }
  } finally {
    await server.close()
  }
})

/** Output of one request by `openssl s_client`. */
async function sClient(port: number, ...args: string[]): Promise<string> {
  const child = spawn('openssl', [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-servername',
    'shop.example',
    '-ign_eof',
    ...args,
  ])
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.resume()
  child.stdin.write('GET / HTTP/1.1\r\n\r\n')
  await once(child, 'close')
  return output
}
