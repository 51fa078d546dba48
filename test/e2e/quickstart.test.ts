import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Ports below these are not given out by the kernel (net.ipv4.ip_local_port_range), to nobody who asks for any port. */
const FIRST_EPHEMERAL = 32_768
const FIRST_PORT = 20_000

/** Ports of loopback that nothing listens on, all different, and that nobody gets by chance before they are used. */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const server = createServer()
    try {
      server.listen(randomInt(FIRST_PORT, FIRST_EPHEMERAL), '127.0.0.1')
      await once(server, 'listening')
    } catch {
      continue
    }
    ports.add((server.address() as AddressInfo).port)
    await once(server.close(), 'close')
  }
  return [...ports]
}

describe('sekisho quickstart', { timeout: 60_000 }, () => {
  let output = ''
  let child: ReturnType<typeof spawn>
  let exited: Promise<unknown[]>

  before(async () => {
    const [port, tlsPort, internalPort] = await freePorts(3)
    const args = [
      'quickstart',
      `--port=${port}`,
      `--tlsPort=${tlsPort}`,
      `--internalPort=${internalPort}`,
      '--workers=1',
    ]
    child = spawn(`${ROOT}/bin/sekisho`, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    exited = once(child, 'exit')
    for await (const chunk of child.stdout!) {
      output += String(chunk)
      if (output.includes('Ctrl-C ends.')) return
    }
    assert.fail(`ended before it was ready; printed: ${output}`)
  })

  after(async () => {
    child.kill('SIGKILL')
    await exited
  })

  it('prints commands that answer as printed', async () => {
    const steps = [...output.matchAll(/^ {2}\$ (.+)\n {2}(.+)$/gm)]
    assert.ok(steps.length >= 8, `only ${steps.length} steps in: ${output}`)
    for (const [, command = '', answer] of steps) {
      // curl gives up on the WebSocket after a second; head has its line by then.
      const { stdout } = await promisify(execFile)('sh', ['-c', command])
      assert.equal(stdout.trimEnd(), answer, command)
    }
  })

  it('ends with code 0 on SIGTERM', async () => {
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  })
})
