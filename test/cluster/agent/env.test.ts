import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { resourceValue } from './downward.ts'
import { commandLine, containerEnv, expand, type ObjectData } from './env.ts'
import { ConfigProblem, type ContainerSpec, type EnvEntry, type EnvFrom } from './pod.ts'
import { testPod } from './pod.fixture.ts'
import { parseQuantity } from './quantity.ts'

const WHERE = {
  podAddresses: ['100.64.1.2', 'fd00::2'],
  nodeAddresses: ['198.18.0.10', 'fd00::10'],
  nodeName: 'node-1',
  allocatable: { cpu: '64', memory: '64Gi' },
}
const POD = testPod({ serviceAccountName: 'robot' }, { labels: { app: 'web', tier: 'front"end' } })

const DATA: ObjectData = {
  configMap: (name) =>
    name === 'settings'
      ? new Map([
          ['mode', Buffer.from('fast')],
          ['log.level', Buffer.from('info')],
        ])
      : undefined,
  secret: (name) => (name === 'keys' ? new Map([['password', Buffer.from('s3cret')]]) : undefined),
}

function env(entries: readonly EnvEntry[], from: readonly EnvFrom[] = [], more: Partial<ContainerSpec> = {}) {
  const container = { name: 'main', image: 'backend', env: entries, envFrom: from, ...more }
  const image = { entrypoint: ['/run'], files: {}, env: { FROM_IMAGE: 'yes', PATH: '/opt' } }
  return containerEnv({
    pod: POD,
    container,
    image,
    where: WHERE,
    data: DATA,
    apiServer: { host: '10.96.0.1', port: 443 },
  })
}

describe('the environment of a container', () => {
  const fields: readonly (readonly [string, string])[] = [
    ['metadata.name', 'web'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'u-1'],
    ["metadata.labels['app']", 'web'],
    ["metadata.annotations['none']", ''],
    ['spec.nodeName', 'node-1'],
    ['spec.serviceAccountName', 'robot'],
    ['status.hostIP', '198.18.0.10'],
    ['status.podIP', '100.64.1.2'],
    ['status.podIPs', '100.64.1.2,fd00::2'],
  ]
  for (const [fieldPath, value] of fields)
    test(`tells ${fieldPath}`, () => {
      assert.equal(env([{ name: 'X', valueFrom: { fieldRef: { fieldPath } } }]).get('X'), value)
    })

  test('starts with the image, and with where the API server is', () => {
    const all = env([])
    assert.deepEqual(
      ['FROM_IMAGE', 'PATH', 'KUBERNETES_SERVICE_HOST', 'KUBERNETES_SERVICE_PORT', 'HOSTNAME'].map((name) =>
        all.get(name),
      ),
      ['yes', '/opt', '10.96.0.1', '443', 'web'],
    )
  })

  test('takes whole objects with a prefix, and single entries over them', () => {
    const from = [{ prefix: 'C_', configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }]
    const all = env([{ name: 'password', value: 'mine' }], from)
    assert.deepEqual(
      [all.get('C_mode'), all.get('C_log.level'), all.get('password')],
      ['fast', 'info', 'mine'],
    )
  })

  test('replaces names that were defined before, and leaves others as they are', () => {
    const all = env([
      { name: 'A', value: '1' },
      { name: 'B', value: '$(A)-$(C)-$$(A)-$(KUBERNETES_SERVICE_PORT)-$A' },
      { name: 'C', value: '3' },
    ])
    assert.equal(all.get('B'), '1-$(C)-$(A)-443-$A')
  })

  test('leaves out what is missing and optional', () => {
    const ref = { name: 'none', key: 'x', optional: true }
    const all = env(
      [{ name: 'X', valueFrom: { secretKeyRef: ref } }],
      [{ configMapRef: { name: 'none', optional: true } }],
    )
    assert.equal(all.has('X'), false)
  })

  const missing: readonly (readonly [string, EnvEntry, string])[] = [
    [
      'a Secret',
      { name: 'X', valueFrom: { secretKeyRef: { name: 'none', key: 'x' } } },
      'secret "none" not found',
    ],
    [
      'a key',
      { name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'x' } } },
      "couldn't find key x in configmap settings",
    ],
    [
      'a field',
      { name: 'X', valueFrom: { fieldRef: { fieldPath: 'spec.none' } } },
      'fieldPath spec.none is not supported',
    ],
  ]
  for (const [what, entry, message] of missing)
    test(`is not to be had without ${what}`, () => {
      assert.throws(
        () => env([entry]),
        (error: Error) => error instanceof ConfigProblem && error.message === message,
      )
    })
})

test("the command is the image's, the container's, or a mixture", () => {
  const image = { entrypoint: ['/run', '$(A)'], args: ['default'], files: {} }
  const words = (more: Partial<ContainerSpec>): readonly string[] =>
    commandLine({ name: 'main', image: 'x', ...more }, image, new Map([['A', '1']]))
  assert.deepEqual(words({}), ['/run', '$(A)', 'default'])
  assert.deepEqual(words({ args: ['$(A)'] }), ['/run', '$(A)', '1'])
  assert.deepEqual(words({ command: ['sh', '$(A)'] }), ['sh', '1'])
  assert.deepEqual(words({ command: ['sh'], args: ['-c'] }), ['sh', '-c'])
})

test('a dollar alone, twice, and before what is no name', () => {
  const lookUp = (name: string): string | undefined => (name === 'A' ? '1' : undefined)
  assert.equal(expand('$ $$ $$$$ $(A)$(B) $$(A) $(A $(A)', lookUp), '$ $ $$ 1$(B) $(A) $(A $(A)')
})

test('quantities', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['100m', 0.1],
    ['1.5', 1.5],
    ['2k', 2000],
    ['1Ki', 1024],
    ['64Gi', 64 * 2 ** 30],
    ['1e3', 1000],
    ['.5', 0.5],
    ['7n', 7e-9],
  ]
  for (const [text, value] of cases) assert.equal(parseQuantity(text), value, text)
  for (const text of ['', 'm', '1KiB', '1 Gi', 'abc'])
    assert.throws(() => parseQuantity(text), RangeError, text)
})

test('resources are told in whole divisors, rounded up', () => {
  const container = {
    name: 'main',
    image: 'x',
    resources: { limits: { cpu: '250m', memory: '100Mi' }, requests: { cpu: '100m' } },
  }
  const cases: readonly (readonly [string, string | undefined, string])[] = [
    ['limits.cpu', undefined, '1'],
    ['limits.cpu', '1m', '250'],
    ['limits.memory', undefined, String(100 * 2 ** 20)],
    ['limits.memory', '1Mi', '100'],
    ['requests.cpu', '1m', '100'],
    ['requests.memory', undefined, '0'],
    ['limits.ephemeral-storage', undefined, '0'],
  ]
  for (const [resource, divisor, value] of cases)
    assert.equal(
      resourceValue(container, { resource, ...(divisor === undefined ? {} : { divisor }) }, WHERE),
      value,
      resource,
    )
  assert.equal(resourceValue({ name: 'main', image: 'x' }, { resource: 'limits.cpu' }, WHERE), '64')
})
