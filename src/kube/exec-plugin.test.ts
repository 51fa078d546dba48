import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { ExecCredentials, type ExecConfig } from './exec-plugin.ts'
import { ManualTimers } from './timers.fixture.ts'

interface Plugin {
  readonly credentials: ExecCredentials
  readonly timers: ManualTimers
  readonly root: string
  /** How often it ran. */
  readonly runs: () => number
  readonly answers: (status: unknown, apiVersion?: string) => void
}

/** A plugin that notes that it ran and prints the file `answer`; `script` comes in between. */
function plugin(t: TestContext, changes: Partial<ExecConfig> = {}, script = ''): Plugin {
  const root = mkdtempSync(join(tmpdir(), 'sekisho-exec-'))
  t.after(() => rmSync(root, { recursive: true }))
  const file = join(root, 'plugin')
  writeFileSync(file, `#!/bin/sh\ncd "$(dirname "$0")"\necho run >> runs\n${script}\ncat answer\n`)
  chmodSync(file, 0o755)
  writeFileSync(join(root, 'runs'), '')
  const timers = new ManualTimers()
  const config: ExecConfig = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin',
    args: [],
    env: {},
    installHint: '',
    clusterInfo: undefined,
    directory: root,
    ...changes,
  }
  const credentials = new ExecCredentials(config, timers, { PATH: process.env['PATH'], FROM_OUTSIDE: 'yes' })
  return {
    credentials,
    timers,
    root,
    runs: () => readFileSync(join(root, 'runs'), 'utf8').split('\n').length - 1,
    answers: (status, apiVersion = config.apiVersion) =>
      writeFileSync(join(root, 'answer'), JSON.stringify({ apiVersion, kind: 'ExecCredential', status })),
  }
}

describe('an exec plugin', () => {
  test('runs once for everybody who waits, and until the time it names', async (t) => {
    const { credentials, timers, runs, answers } = plugin(t)
    const expirationTimestamp = new Date(timers.wall() + 60_000).toISOString()
    answers({ token: 'one', expirationTimestamp })
    const tokens = await Promise.all([
      credentials.authorization(),
      credentials.authorization(),
      credentials.clientCertificate(),
    ])
    assert.deepEqual([tokens, runs()], [['Bearer one', 'Bearer one', undefined], 1])
    answers({ token: 'two' })
    timers.jump(49_000)
    assert.equal(await credentials.authorization(), 'Bearer one')
    timers.jump(1000)
    assert.equal(await credentials.authorization(), 'Bearer two', 'a little before the end')
    timers.jump(1e9)
    assert.deepEqual([await credentials.authorization(), runs()], ['Bearer two', 2], 'no end was named')
  })

  test('runs again after a 401', async (t) => {
    const { credentials, runs, answers } = plugin(t)
    answers({ token: 'one' })
    await credentials.authorization()
    answers({ token: 'two' })
    assert.equal(credentials.rejected(), true)
    assert.deepEqual([await credentials.authorization(), runs()], ['Bearer two', 2])
  })

  test('may give a certificate, whose change ends the use of old connections', async (t) => {
    const { credentials, answers } = plugin(t)
    answers({ clientCertificateData: 'C1', clientKeyData: 'K1' })
    assert.deepEqual(await credentials.clientCertificate(), { certificate: 'C1', key: 'K1' })
    assert.deepEqual([await credentials.authorization(), credentials.generation], [undefined, 0])
    credentials.rejected()
    await credentials.authorization()
    assert.equal(credentials.generation, 0, 'the same again')
    answers({ clientCertificateData: 'C2', clientKeyData: 'K2' })
    credentials.rejected()
    await credentials.authorization()
    assert.equal(credentials.generation, 1)
  })

  test('gets arguments without a shell, the environment, and what it is for', async (t) => {
    const script = 'printf "%s|%s|%s|%s" "$1" "$FROM_OUTSIDE" "$MORE" "$KUBERNETES_EXEC_INFO" > heard'
    const clusterInfo = { server: 'https://api' }
    const { credentials, root, answers } = plugin(
      t,
      { args: ['$(id) `id`'], env: { MORE: 'm' }, clusterInfo },
      script,
    )
    answers({ token: 't' })
    await credentials.authorization()
    const [argument, outside, more, info] = readFileSync(join(root, 'heard'), 'utf8').split('|')
    assert.deepEqual([argument, outside, more], ['$(id) `id`', 'yes', 'm'])
    assert.deepEqual(JSON.parse(info!), {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: clusterInfo },
    })
  })

  test('v1beta1 is spoken as well', async (t) => {
    const { credentials, answers } = plugin(t, { apiVersion: 'client.authentication.k8s.io/v1beta1' })
    answers({ token: 't' })
    assert.equal(await credentials.authorization(), 'Bearer t')
  })

  const wrong: readonly [string, Partial<ExecConfig>, string, unknown, RegExp][] = [
    ['is not there', { command: 'no-such-plugin', installHint: 'install it from x' }, '', {}, /^exec plugin no-such-plugin: cannot be run: ENOENT; install it from x$/],
    ['fails', {}, 'echo "log in first" >&2; exit 3', {}, /ended with code 3: log in first$/],
    ['answers with nothing of use', {}, '', {}, /gave neither a token nor a certificate$/],
    ['answers with half a pair', {}, '', { clientKeyData: 'secret' }, /only one of certificate and key$/],
    ['answers with a wrong time', {}, '', { token: 'secret', expirationTimestamp: 'tomorrow' }, /expirationTimestamp is no time$/],
    ['prints something else', {}, 'echo secret', { token: 'secret' }, /what it printed is not JSON$/],
    ['prints a token that is none', {}, '', { token: 'se\ncret' }, /the token has characters that no token has$/],
  ] // prettier-ignore
  for (const [name, changes, script, status, message] of wrong) {
    test(`that ${name} is told, without what it printed`, async (t) => {
      const { credentials, answers } = plugin(t, changes, script)
      answers(status)
      await assert.rejects(credentials.authorization(), (error: Error) => {
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/)
        return true
      })
    })
  }

  test('of another version is told', async (t) => {
    const { credentials, answers } = plugin(t)
    answers({ token: 't' }, 'client.authentication.k8s.io/v1beta1')
    await assert.rejects(
      credentials.authorization(),
      /another version than client\.authentication\.k8s\.io\/v1; set apiVersion/,
    )
  })

  test('that failed once is asked again', async (t) => {
    const { credentials, answers } = plugin(t)
    answers({})
    await assert.rejects(credentials.authorization())
    answers({ token: 't' })
    assert.equal(await credentials.authorization(), 'Bearer t')
  })
})
