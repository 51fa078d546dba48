import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import { outcomeOf, run } from './run-command.ts'

const SCRIPT = fileURLToPath(new URL('run.ts', import.meta.url))

describe('npm run cluster', { timeout: 120_000 }, () => {
  it('says how to reach the cluster, and Ctrl-C ends it', async () => {
    const child = spawn(process.execPath, [SCRIPT, '--nodes=1', '--no-sekisho'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      output += String(text)
      if (output.includes('Ctrl-C')) break
    }
    const [, kubeconfig = ''] = /export KUBECONFIG=(\S+)/.exec(output) ?? []
    const [, bin = ''] = /export PATH=(\S+?):/.exec(output) ?? []
    const args = [`--kubeconfig=${kubeconfig}`, 'get', 'nodes', '--output=name']
    assert.equal(await run(`${bin}/kubectl`, args), 'node/node-1\n')
    const exit = once(child, 'exit')
    child.kill('SIGINT')
    assert.deepEqual(await exit, [0, null])
    assert.ok(!existsSync(kubeconfig))
  })

  it('refuses what it does not know', async () => {
    const { code, stderr } = await outcomeOf(process.execPath, [SCRIPT, '--node=1'])
    assert.equal(code, 2)
    assert.match(stderr, /unknown argument --node/)
  })
})
