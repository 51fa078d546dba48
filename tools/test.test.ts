import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const RUNNER = fileURLToPath(new URL('test.ts', import.meta.url))

/** Runs the runner as somebody who is not root: in a user namespace that maps nobody, where we are. */
function runUnprivileged(args: readonly string[], isCI: boolean): Promise<{ code: number; stdout: string }> {
  // Without the variable by which node:test tells a nested run.
  const { NODE_TEST_CONTEXT: _context, CI: _ci, ...rest } = process.env
  const env = { ...rest, ...(isCI ? { CI: 'true' } : {}) }
  const command = [process.execPath, RUNNER, ...args]
  const [program = '', ...words] = process.getuid?.() === 0 ? ['unshare', '--user', ...command] : command
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout }))
  })
}

describe('a suite that cannot run here', () => {
  it('is named with the reason, and no failure', async () => {
    const { code, stdout } = await runUnprivileged(['--only', 'cluster'], false)
    assert.match(stdout, /^suite cluster: left out, a cluster needs root, for network namespaces$/m)
    assert.match(stdout, /^0 passed, 0 failed, [1-9]\d* skipped$/m)
    assert.equal(code, 0)
  })

  it('is a failure in CI', async () => {
    const { code, stdout } = await runUnprivileged(['--only', 'cluster'], true)
    assert.match(stdout, /^suite cluster: left out, /m)
    assert.match(stdout, /^0 passed, [1-9]\d* failed, 0 skipped$/m)
    assert.equal(code, 1)
  })
})
