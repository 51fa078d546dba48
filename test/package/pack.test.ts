import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function exec(cwd: string, command: string, ...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { cwd, maxBuffer: 1e8 })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const failed = error as { code?: unknown; stdout?: string; stderr?: string; message: string }
    const code = typeof failed.code === 'number' ? failed.code : -1
    return { code, stdout: failed.stdout ?? '', stderr: failed.stderr ?? failed.message }
  }
}

describe('the npm package', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sekisho-pack-'))
  const target = join(directory, 'target')

  before(async () => {
    const packed = await exec(ROOT, 'npm', 'pack', '--pack-destination', directory)
    assert.equal(packed.code, 0, packed.stderr)
    const file = readdirSync(directory).find((name) => name.endsWith('.tgz'))
    assert.ok(file)
    cpSync(join(ROOT, 'examples/quickstart'), join(target, 'manifests'), { recursive: true })
    writeFileSync(join(target, 'package.json'), '{ "name": "target", "private": true }')
    const installed = await exec(target, 'npm', 'install', '--no-audit', '--no-fund', join(directory, file))
    assert.equal(installed.code, 0, installed.stderr)
  })

  after(() => rmSync(directory, { recursive: true, force: true }))

  it('runs npx sekisho --help', async () => {
    const { code, stdout } = await exec(target, 'npx', 'sekisho', '--help')
    assert.equal(code, 0)
    assert.match(stdout, /^sekisho COMMAND/)
  })

  it('says its version and runs on the Node it brings', async () => {
    const { stdout, stderr } = await exec(target, 'npx', 'sekisho', 'version')
    assert.match(stdout, /^sekisho \d+\.\d+\.\d+.* \(node 26\./, stderr)
  })

  it('checks manifests', async () => {
    const { code, stdout, stderr } = await exec(target, 'npx', 'sekisho', 'check', 'manifests')
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /0 errors/)
  })

  it('serves its example, workers and backends included', { timeout: 60_000 }, async () => {
    const args = ['quickstart', '--workers=1']
    const child = spawn(join(target, 'node_modules/.bin/sekisho'), args, {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      let output = ''
      for await (const chunk of child.stdout) {
        output += String(chunk)
        if (output.includes('Ctrl-C ends.')) break
      }
      const base = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0]
      const { stdout } = await exec(target, 'curl', '-s', '-H', 'Host: shop.localhost', `${base}/`)
      assert.equal(stdout, 'shop: GET /\n', output)
      child.kill('SIGTERM')
      assert.deepEqual(await exited, [0, null])
    } finally {
      child.kill('SIGKILL')
      await exited
    }
  })

  it('has the program, the licence and the reference, and no source or tests', async () => {
    const files = readdirSync(join(target, 'node_modules/sekisho'), { recursive: true }).map(String)
    assert.ok(files.includes('dist/cmd/main.js'))
    assert.ok(files.includes('LICENSE'))
    assert.ok(files.includes('docs/reference/static.md'))
    assert.deepEqual(
      files.filter((file) => /^src|\.test\.|\.ts$/.test(file)),
      [],
    )
  })
})
