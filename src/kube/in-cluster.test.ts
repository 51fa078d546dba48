import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { findAccess } from './find-access.ts'
import { inClusterAccess, isInCluster } from './in-cluster.ts'
import { ManualTimers } from './timers.fixture.ts'

const ENVIRONMENT = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }

function account(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sekisho-account-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text)
  return root
}

describe('inside of a pod', () => {
  test('address, authority, namespace and a token that rotates', async (t) => {
    const root = account(t, { token: 'one', 'ca.crt': 'CA', namespace: 'sekisho\n' })
    const timers = new ManualTimers()
    const access = inClusterAccess(ENVIRONMENT, timers, root)
    assert.deepEqual(access.server, { isTls: true, host: 'fd00::1', port: 443, basePath: '' })
    assert.deepEqual([access.namespace, access.origin, access.proxy], ['sekisho', 'in-cluster', undefined])
    assert.deepEqual([access.tls.verify, access.tls.authorities()], [true, 'CA'])
    assert.equal(await access.credentials.authorization(), 'Bearer one')
    writeFileSync(join(root, 'token'), 'two')
    timers.jump(60_000)
    assert.equal(await access.credentials.authorization(), 'Bearer two')
  })

  test('a proxy of the environment is used where nothing excepts the API server', (t) => {
    const root = account(t, { token: 'one', 'ca.crt': 'CA', namespace: 'a' })
    const environment = { ...ENVIRONMENT, HTTPS_PROXY: 'proxy:3128' }
    assert.equal(inClusterAccess(environment, new ManualTimers(), root).proxy?.host, 'proxy')
    const excepted = { ...environment, NO_PROXY: 'x, FD00::/8' }
    assert.equal(inClusterAccess(excepted, new ManualTimers(), root).proxy, undefined)
  })

  test('what is missing is told', (t) => {
    const timers = new ManualTimers()
    assert.equal(isInCluster({}), false)
    assert.equal(isInCluster(ENVIRONMENT), true)
    assert.throws(() => inClusterAccess({}, timers), /this is no pod: .*give a kubeconfig file$/)
    const missing = account(t, { 'ca.crt': 'CA', namespace: 'a' })
    assert.throws(
      () => inClusterAccess(ENVIRONMENT, timers, missing),
      /^KubeError: token file .*token: ENOENT$/,
    )
    const empty = account(t, { token: ' \n', 'ca.crt': 'CA', namespace: 'a' })
    assert.throws(() => inClusterAccess(ENVIRONMENT, timers, empty), /token: is empty$/)
    const nowhere = account(t, { token: 'a', 'ca.crt': 'CA' })
    assert.throws(() => inClusterAccess(ENVIRONMENT, timers, nowhere), /namespace file .*: ENOENT$/)
  })

  test('a kubeconfig that was asked for comes first, that of the home directory last', (t) => {
    const config = (name: string): string =>
      `{current-context: ${name}, contexts: [{name: ${name}, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://x"}}]}`
    const pod = account(t, { token: 'a', 'ca.crt': 'CA', namespace: 'a' })
    const home = account(t, { asked: config('asked'), listed: config('listed') })
    mkdirSync(join(home, '.kube'))
    writeFileSync(join(home, '.kube/config'), config('home'))
    const origin = (environment: NodeJS.ProcessEnv, file?: string): string => {
      const choice = file === undefined ? {} : { file }
      return findAccess(choice, { HOME: home, ...environment }, new ManualTimers(), pod).origin
    }
    assert.equal(
      origin({ ...ENVIRONMENT, KUBECONFIG: join(home, 'listed') }, join(home, 'asked')),
      'context asked',
    )
    assert.equal(origin({ ...ENVIRONMENT, KUBECONFIG: join(home, 'listed') }), 'context listed')
    assert.equal(origin(ENVIRONMENT), 'in-cluster')
    assert.equal(origin({}), 'context home')
  })
})
