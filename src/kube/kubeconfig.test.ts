import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { ClusterAccess } from './access.ts'
import { kubeconfigAccess } from './kubeconfig-access.ts'
import { ManualTimers } from './timers.fixture.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A directory of files that goes with the test. */
function directory(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sekisho-kubeconfig-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

/** A file with one context over this cluster and this user. */
function config(cluster: string, user = 'token: t', context = ''): string {
  return `
apiVersion: v1
kind: Config
current-context: dev
contexts:
- name: dev
  context: {cluster: c, user: u${context}}
clusters:
- name: c
  cluster: {${cluster}}
users:
- name: u
  user: {${user}}
`
}

const SERVER = 'server: "https://api.example:6443/"'

function read(
  t: TestContext,
  text: string,
  environment: NodeJS.ProcessEnv = {},
  timers = new ManualTimers(),
): ClusterAccess {
  const root = directory(t, { config: text })
  return kubeconfigAccess({ file: join(root, 'config') }, environment, timers)
}

describe('a kubeconfig', () => {
  test('gives address, namespace, trust and credentials of its current context', async (t) => {
    const access = read(
      t,
      config(
        `${SERVER}, certificate-authority-data: ${base64('CA')}, tls-server-name: n`,
        'token: secret',
        ', namespace: shop',
      ),
    )
    assert.deepEqual(access.server, { isTls: true, host: 'api.example', port: 6443, basePath: '' })
    assert.deepEqual([access.namespace, access.origin, access.proxy], ['shop', 'context dev', undefined])
    assert.deepEqual([access.tls.serverName, access.tls.verify, access.tls.authorities()], ['n', true, 'CA'])
    assert.equal(await access.credentials.authorization(), 'Bearer secret')
    assert.equal(await access.credentials.clientCertificate(), undefined)
    assert.equal(access.credentials.rejected(), false)
  })

  const addresses: readonly [string, ClusterAccess['server']][] = [
    ['https://10.0.0.1', { isTls: true, host: '10.0.0.1', port: 443, basePath: '' }],
    ['http://localhost:8080', { isTls: false, host: 'localhost', port: 8080, basePath: '' }],
    ['https://[fd00::1]:6443', { isTls: true, host: 'fd00::1', port: 6443, basePath: '' }],
    [
      'https://rancher/k8s/clusters/c-1/',
      { isTls: true, host: 'rancher', port: 443, basePath: '/k8s/clusters/c-1' },
    ],
    ['localhost:8080', { isTls: false, host: 'localhost', port: 8080, basePath: '' }],
  ]
  for (const [text, expected] of addresses)
    test(`knows the address ${text}`, (t) =>
      assert.deepEqual(read(t, config(`server: "${text}"`)).server, expected))

  test('of several files the first entry of a name and the first current context count', async (t) => {
    const one = 'current-context: ""\nusers:\n- name: u\n  user: {token: one}\n'
    const two = config(SERVER, 'token: two', ', namespace: two')
    const three = config('server: "https://three"', 'token: three').replace(
      'current-context: dev',
      'current-context: other',
    )
    const root = directory(t, { one, two, three })
    const list = ['one', 'missing', 'two', 'three'].map((name) => join(root, name)).join(delimiter)
    const access = kubeconfigAccess({}, { KUBECONFIG: list }, new ManualTimers())
    assert.deepEqual(
      [access.origin, access.server.host, access.namespace],
      ['context dev', 'api.example', 'two'],
    )
    assert.equal(await access.credentials.authorization(), 'Bearer one')
  })

  test('is found in the home directory, and another context can be chosen', (t) => {
    const text = config(SERVER).replace(
      'contexts:\n',
      'contexts:\n- name: prod\n  context: {cluster: c, namespace: prod}\n',
    )
    const root = directory(t, { '.kube/config': text })
    const environment = { HOME: root }
    assert.equal(kubeconfigAccess({}, environment, new ManualTimers()).origin, 'context dev')
    assert.equal(kubeconfigAccess({ context: 'prod' }, environment, new ManualTimers()).namespace, 'prod')
  })

  test('paths are relative to the file, and what rotates is read again', async (t) => {
    const user = 'client-certificate: pki/cert.pem, client-key: pki/key.pem, tokenFile: token'
    const root = directory(t, {
      'sub/config': config(`${SERVER}, certificate-authority: pki/ca.pem`, user),
      'sub/pki/ca.pem': 'CA 1',
      'sub/pki/cert.pem': 'CERT 1',
      'sub/pki/key.pem': 'KEY 1',
      'sub/token': 'token1\n',
    })
    const timers = new ManualTimers()
    const { tls, credentials } = kubeconfigAccess({ file: join(root, 'sub/config') }, {}, timers)
    assert.equal(tls.authorities(), 'CA 1')
    assert.deepEqual(await credentials.clientCertificate(), { certificate: 'CERT 1', key: 'KEY 1' })
    assert.equal(await credentials.authorization(), 'Bearer token1')
    writeFileSync(join(root, 'sub/pki/ca.pem'), 'CA 2')
    writeFileSync(join(root, 'sub/pki/cert.pem'), 'CERT 2')
    writeFileSync(join(root, 'sub/token'), 'token2\n')
    timers.jump(59_999)
    assert.equal(await credentials.authorization(), 'Bearer token1')
    timers.jump(1)
    assert.equal(tls.authorities(), 'CA 2')
    assert.equal(await credentials.authorization(), 'Bearer token2')
    assert.equal(credentials.generation, 0)
    assert.deepEqual(await credentials.clientCertificate(), { certificate: 'CERT 2', key: 'KEY 1' })
    assert.equal(credentials.generation, 1, 'connections with the old certificate are not used again')
    // A 401 means that it may have been replaced already.
    writeFileSync(join(root, 'sub/token'), 'token3\n')
    assert.equal(credentials.rejected(), true)
    assert.equal(await credentials.authorization(), 'Bearer token3')
    // Gone for a moment.
    rmSync(join(root, 'sub/token'))
    timers.jump(60_000)
    assert.equal(await credentials.authorization(), 'Bearer token3')
  })

  test('data wins over files, a token file over a token', async (t) => {
    const cluster = `${SERVER}, certificate-authority: /none, certificate-authority-data: ${base64('CA')}`
    const user = `client-certificate: /none, client-certificate-data: ${base64('C')}, client-key-data: ${base64('K')}, token: first, tokenFile: token`
    const root = directory(t, { config: config(cluster, user) })
    const { tls, credentials } = kubeconfigAccess({ file: join(root, 'config') }, {}, new ManualTimers())
    assert.equal(tls.authorities(), 'CA')
    assert.deepEqual(await credentials.clientCertificate(), { certificate: 'C', key: 'K' })
    assert.equal(await credentials.authorization(), 'Bearer first', 'until the file is there')
    writeFileSync(join(root, 'token'), 'second')
    assert.equal(await credentials.authorization(), 'Bearer second')
  })

  test('a user name and a password', async (t) => {
    const { credentials } = read(t, config(SERVER, 'username: me, password: "a:b"'))
    assert.equal(await credentials.authorization(), `Basic ${base64('me:a:b')}`)
  })

  test('impersonation', (t) => {
    const user = 'token: t, as: jane, as-uid: "7", as-groups: [a, b], as-user-extra: {example.org/scope: [x]}'
    assert.deepEqual(read(t, config(SERVER, user)).headers, [
      ['Impersonate-User', 'jane'],
      ['Impersonate-Uid', '7'],
      ['Impersonate-Group', 'a'],
      ['Impersonate-Group', 'b'],
      ['Impersonate-Extra-example.org%2Fscope', 'x'],
    ])
  })

  test('a proxy of the cluster wins over those of the environment', (t) => {
    const environment = { HTTPS_PROXY: 'http://general:3128', no_proxy: '.internal,10.0.0.0/8' }
    const host = (cluster: string): string | undefined => read(t, config(cluster), environment).proxy?.host
    assert.equal(host(`${SERVER}, proxy-url: "socks5://own:1080"`), 'own')
    assert.equal(host(SERVER), 'general')
    assert.equal(host('server: "https://api.internal"'), undefined)
    assert.equal(host('server: "https://10.1.2.3:6443"'), undefined)
    assert.equal(host('server: "https://127.0.0.1:6443"'), undefined)
    assert.equal(host('server: "http://api.example"'), undefined, 'there is none for plain text')
  })

  test('the trust of nothing has to be asked for', (t) => {
    const { tls } = read(t, config(`${SERVER}, insecure-skip-tls-verify: true`))
    assert.deepEqual([tls.verify, tls.authorities()], [false, undefined])
  })

  test('a plugin is run from the directory of its file, and told about the cluster when it asks', async (t) => {
    const exec =
      'exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: bin/plugin, args: [x], env: [{name: A, value: b}], provideClusterInfo: true}'
    const extensions = 'extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: me}}]'
    // It gives what it was told, and how it was called, for a token.
    const token = '"$(printf %s "$1 $A $KUBERNETES_EXEC_INFO" | base64 | tr -d "\\n")"'
    const answer = `'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'`
    const root = directory(t, {
      config: config(`${SERVER}, certificate-authority: ca.pem, ${extensions}`, exec),
      'ca.pem': 'CA',
      'bin/plugin': `#!/bin/sh\nprintf ${answer} ${token}\n`,
    })
    chmodSync(join(root, 'bin/plugin'), 0o755)
    const environment = { PATH: process.env['PATH'] }
    const { credentials } = kubeconfigAccess({ file: join(root, 'config') }, environment, new ManualTimers())
    const told = Buffer.from(
      (await credentials.authorization())!.slice('Bearer '.length),
      'base64',
    ).toString()
    assert.ok(told.startsWith('x b {'), told)
    assert.deepEqual((JSON.parse(told.slice(4)) as { spec: { cluster: unknown } }).spec.cluster, {
      server: 'https://api.example:6443/',
      'certificate-authority-data': base64('CA'),
      config: { audience: 'me' },
    })
  })

  test('what nobody uses may be broken', (t) => {
    const text = config(SERVER).replace(
      'users:\n',
      'users:\n- name: old\n  user: {auth-provider: {name: gcp}, token: 7}\n',
    )
    assert.equal(read(t, text).server.host, 'api.example')
  })

  const wrong: readonly [string, string, RegExp][] = [
    ['broken YAML', 'a: [', /config:1: /],
    ['something else', 'kind: Pod', /is no kubeconfig: kind must be Config$/],
    ['a list', '[]', /must be a mapping$/],
    ['no current context', 'contexts: [{name: a, context: {}}]', /no current-context is set; choose a context \(known: a\)$/],
    ['an unknown context', 'current-context: x', /there is no context x \(known: none\)$/],
    ['an unknown cluster', 'current-context: x\ncontexts: [{name: x, context: {cluster: y}}]\nclusters: [{name: z}]', /contexts\[x\]\.cluster: there is no cluster "y" \(known: z\)$/],
    ['an unknown user', config(SERVER).replace('name: u', 'name: v'), /contexts\[dev\]\.user: there is no user "u" \(known: v\)$/],
    ['an entry without a name', 'users: [{user: {}}]', /users\[0\]: must have a name$/],
    ['no server', config(''), /clusters\[c\]\.server: is missing/],
    ['a server of another scheme', config('server: "ftp://x"'), /clusters\[c\]\.server: "ftp:\/\/x" is not the URL of an API server/],
    ['a server with a user', config('server: "https://a:secret@x"'), /put credentials into the user entry$/],
    ['a proxy of another scheme', config(`${SERVER}, proxy-url: "ftp://x"`), /clusters\[c\]\.proxy-url: must be a URL that begins with/],
    ['insecure with an authority', config(`${SERVER}, insecure-skip-tls-verify: true, certificate-authority: x`), /contradicts the certificate authority/],
    ['a flag that is none', config(`${SERVER}, insecure-skip-tls-verify: "yes"`), /must be true or false$/],
    ['data that is not base64', config(`${SERVER}, certificate-authority-data: /etc/ca.pem`), /certificate-authority-data: is not base64; for a file use certificate-authority$/],
    ['a token that is a number', config(SERVER, 'token: 7'), /users\[u\]\.token: must be a text$/],
    ['a key without a certificate', config(SERVER, 'client-key: k'), /users\[u\]\.client-certificate: is missing/],
    ['a user name beside a token', config(SERVER, 'token: t, username: u'), /cannot stand beside a token/],
    ['a colon in a user name', config(SERVER, 'username: "a:b"'), /cannot contain a colon$/],
    ['an auth provider', config(SERVER, 'auth-provider: {name: gcp}'), /users\[u\]\.auth-provider: is no longer part of Kubernetes/],
    ['groups without a user', config(SERVER, 'as-groups: [a]'), /users\[u\]\.as: is missing/],
    ['a line break in an impersonated user', config(SERVER, 'as: "a\\r\\nX: y"'), /must be printable ASCII$/],
    ['a plugin beside a token', config(SERVER, 'token: t, exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1}'), /exec: cannot stand beside other credentials/],
    ['a plugin without a command', config(SERVER, 'exec: {apiVersion: client.authentication.k8s.io/v1}'), /users\[u\]\.exec\.command: is missing$/],
    ['a plugin of an old version', config(SERVER, 'exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}'), /exec\.apiVersion: must be .*v1 or .*v1beta1$/],
    ['a plugin that asks people', config(SERVER, 'exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}'), /interactiveMode: the plugin wants to ask a person/],
    ['a plugin of v1 without its mode', config(SERVER, 'exec: {command: x, apiVersion: client.authentication.k8s.io/v1}'), /interactiveMode: must be Never or IfAvailable$/],
    ['arguments of a plugin that are none', config(SERVER, 'exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, args: x}'), /exec\.args: must be a list of texts$/],
    ['environment of a plugin that is none', config(SERVER, 'exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, env: [{name: A}]}'), /exec\.env: each item must have a name and a value$/],
  ] // prettier-ignore
  for (const [name, text, message] of wrong) {
    test(`with ${name} is refused with the place and the reason`, (t) => {
      assert.throws(
        () => read(t, text),
        (error: Error) => {
          assert.match(error.message, message)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    })
  }

  test('that is not there is refused', () => {
    assert.throws(
      () => kubeconfigAccess({ file: '/none/config' }, {}, new ManualTimers()),
      /kubeconfig file \/none\/config does not exist/,
    )
    const environment = { KUBECONFIG: ['/none/a', '/none/b'].join(delimiter) }
    assert.throws(
      () => kubeconfigAccess({}, environment, new ManualTimers()),
      /none of \/none\/a, \/none\/b exists/,
    )
  })

  test('a token that would end the field is refused when it is used', async (t) => {
    const { credentials } = read(t, config(SERVER, 'token: "a\\r\\nX: y"'))
    await assert.rejects(credentials.authorization(), /the token has characters that no token has/)
  })
})
