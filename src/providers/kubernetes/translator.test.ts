import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DynamicDelta } from '#config/model/dynamic.ts'
import {
  objectKey,
  type EndpointSliceObject,
  type KubeObject,
  type ObjectPath,
  type ServiceObject,
  type SourcedObject,
} from './objects.ts'
import { KubernetesTranslator, type TranslatorOptions } from './translator.ts'

const place = { file: 'x.yaml', line: 1, column: 1 }

function sourced(object: KubeObject): SourcedObject {
  const { name, namespace } = object.metadata
  const placeOf = (_path: ObjectPath): typeof place => place
  return { key: objectKey(object.kind, namespace, name), kind: object.kind, object, place, placeOf }
}

interface Spec {
  readonly host?: string
  readonly path?: string
  readonly type?: string
  readonly service?: string
  readonly annotations?: Record<string, string>
  readonly created?: string
  readonly className?: string
  readonly secret?: string
}

function ingress(name: string, spec: Spec = {}): SourcedObject {
  const { host = 'shop.example', path = '/', type = 'Prefix', service = 'web', className, secret } = spec
  const { annotations, created } = spec
  return sourced({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      namespace: 'default',
      ...(annotations === undefined ? {} : { annotations }),
      ...(created === undefined ? {} : { creationTimestamp: created }),
    },
    spec: {
      ...(className === undefined ? {} : { ingressClassName: className }),
      ...(secret === undefined ? {} : { tls: [{ hosts: [host], secretName: secret }] }),
      rules: [
        {
          host,
          http: {
            paths: [{ path, pathType: type, backend: { service: { name: service, port: { number: 80 } } } }],
          },
        },
      ],
    },
  })
}

function service(name: string): SourcedObject {
  const metadata = { name, namespace: 'default' }
  return sourced({ apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } })
}

function slice(name: string, owner: string, addresses: readonly string[]): SourcedObject {
  return sourced({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': owner } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  })
}

/** One endpoint per row: address, node, zones that it is meant for. */
function placed(
  name: string,
  owner: string,
  rows: readonly (readonly [address: string, nodeName: string, ...zones: string[]])[],
): SourcedObject {
  const plain = slice(name, owner, [])
  const endpoints = rows.map(([address, nodeName, ...zones]) => ({
    addresses: [address],
    nodeName,
    ...(zones.length === 0 ? {} : { hints: { forZones: zones.map((zone) => ({ name: zone })) } }),
  }))
  return { ...plain, object: { ...(plain.object as EndpointSliceObject), endpoints } }
}

function secret(name: string, text: string): SourcedObject {
  const data = {
    'tls.crt': Buffer.from(text).toString('base64'),
    'tls.key': Buffer.from(text).toString('base64'),
  }
  return sourced({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/tls',
    data,
  })
}

function translator(
  set: readonly SourcedObject[],
  options: Partial<TranslatorOptions> = {},
): KubernetesTranslator {
  const result = new KubernetesTranslator({ providerName: 'kubernetes', backends: () => [], ...options })
  result.apply({ set, remove: [] })
  return result
}

/** `routers=+a-b` and the like: names that were set and removed. */
function text(delta: DynamicDelta): string[] {
  return Object.entries(delta).map(([kind, value]) => {
    const changes = value as { set: { name: string }[]; remove: string[] }
    const names = [...changes.set.map((one) => `+${one.name}`), ...changes.remove.map((name) => `-${name}`)]
    return `${kind}: ${names.map((name) => name.replace('@kubernetes', '')).join(' ')}`
  })
}

describe('an object that leads to a fault', () => {
  it('leaves the plan before in force, and lets others pass in the next step', () => {
    const known = translator([service('web'), slice('web-1', 'web', ['10.0.0.1']), ingress('a')])
    const poison = ingress('a')
    const { spec } = poison.object as { spec: object }
    Object.defineProperty(spec, 'rules', {
      get: () => {
        throw new Error('a fault')
      },
    })
    const other = ingress('b', { path: '/b' })
    assert.throws(() => known.apply({ set: [poison, other], remove: [] }), /a fault/)
    assert.deepEqual(text(known.apply({ set: [], remove: [] }).delta), ['routers: +default-b-shop-example-b'])
    const mended = known.apply({ set: [ingress('a', { path: '/new' })], remove: [] })
    assert.deepEqual(text(mended.delta), ['routers: +default-a-shop-example-new -default-a-shop-example'])
  })
})

describe('a change of Kubernetes objects', () => {
  const many = ['a', 'b', 'c'].flatMap((name) => [
    ingress(name, { host: `${name}.example`, service: name, secret: name }),
    service(name),
    slice(`${name}-1`, name, ['10.0.0.1']),
    secret(name, 'one'),
  ])

  const rows: { title: string; set?: SourcedObject[]; remove?: string[]; delta: string[] }[] = [
    {
      title: 'of endpoints touches their service only',
      set: [slice('b-1', 'b', ['10.0.0.1', '10.0.0.2'])],
      delta: ['services: +default-b-80'],
    },
    {
      title: 'of endpoints that gives the same servers touches nothing',
      set: [slice('b-2', 'b', ['10.0.0.1'])],
      delta: [],
    },
    {
      title: 'that moves a slice to another Service touches both',
      set: [slice('b-1', 'c', ['10.0.0.9'])],
      delta: ['services: +default-b-80 +default-c-80'],
    },
    {
      title: 'of a path touches the routers of its Ingress',
      set: [ingress('b', { host: 'b.example', service: 'b', secret: 'b', path: '/x' })],
      delta: ['routers: +default-b-b-example-x -default-b-b-example'],
    },
    {
      title: 'of a path type keeps the name of the router',
      set: [ingress('b', { host: 'b.example', service: 'b', secret: 'b', type: 'Exact' })],
      delta: ['routers: +default-b-b-example'],
    },
    {
      title: 'of an annotation keeps the name of the service, and so its state',
      set: [
        ingress('b', {
          host: 'b.example',
          service: 'b',
          secret: 'b',
          annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '5' },
        }),
      ],
      delta: ['services: +default-b-80'],
    },
    {
      title: 'of a Secret touches its certificate',
      set: [secret('b', 'two')],
      delta: ['certificates: +default-b'],
    },
    { title: 'of a Secret that nothing names touches nothing', set: [secret('x', 'two')], delta: [] },
    { title: 'of a Service that nothing names touches nothing', set: [service('x')], delta: [] },
    {
      title: 'that removes an Ingress removes what only it used',
      remove: ['Ingress/default/b'],
      delta: ['services: -default-b-80', 'routers: -default-b-b-example', 'certificates: -default-b'],
    },
    {
      title: 'that removes what never was is none',
      remove: ['Ingress/default/x', 'Service/default/x', 'Secret/a/b'],
      delta: [],
    },
    {
      title: 'that adds an Ingress to a host leaves the other router alone',
      set: [ingress('d', { host: 'b.example', service: 'b', path: '/d' })],
      delta: ['routers: +default-d-b-example-d'],
    },
  ]
  for (const { title, set = [], remove = [], delta } of rows) {
    it(title, () => {
      assert.deepEqual(text(translator(many).apply({ set, remove }).delta), delta)
    })
  }
})

describe('Ingresses on one host', () => {
  it('tell the loser of a conflict, and no more when the winner goes', () => {
    const older = ingress('older', { created: '2020-01-01T00:00:00Z' })
    const newer = ingress('newer', { created: '2024-01-01T00:00:00Z' })
    const both = new KubernetesTranslator({ providerName: 'kubernetes', backends: () => [] })
    const conflicts = (change: { set: SourcedObject[]; remove: string[] }): string[] =>
      both
        .apply(change)
        .findings.filter((one) => one.code === 'ingress-conflict')
        .map((one) => one.object)
    assert.deepEqual(conflicts({ set: [newer], remove: [] }), [])
    assert.deepEqual(conflicts({ set: [older], remove: [] }), ['Ingress default/newer'])
    assert.deepEqual(conflicts({ set: [], remove: [older.key] }), [])
  })

  it('of class nginx all follow when one turns regular expressions on and off again', () => {
    const plain = ingress('plain', { className: 'nginx', path: '/plain' })
    const other = translator([plain])
    const annotations = { 'nginx.ingress.kubernetes.io/use-regex': 'true' }
    const on = other.apply({
      set: [ingress('regex', { className: 'nginx', path: '/r.*', annotations })],
      remove: [],
    })
    const kinds = (delta: DynamicDelta): string[] => (delta.routers?.set ?? []).map((one) => one.path.kind)
    assert.deepEqual(kinds(on.delta), ['regex', 'regex'])
    const off = other.apply({ set: [], remove: ['Ingress/default/regex'] })
    assert.deepEqual(kinds(off.delta), ['prefix'])
  })

  it('follow the TLS section of another one', () => {
    const annotations = { 'nginx.ingress.kubernetes.io/ssl-redirect': 'true' }
    const plain = translator([ingress('plain', { annotations })])
    const { delta } = plain.apply({ set: [ingress('tls', { path: '/tls', secret: 's' })], remove: [] })
    const redirected = delta.routers?.set.find((one) => one.name.startsWith('default-plain'))
    assert.deepEqual(redirected?.middlewares, ['default-plain-redirect-scheme@kubernetes'])
  })
})

describe('an IngressClass', () => {
  const classObject = (name: string, controller: string, isDefault: boolean): SourcedObject =>
    sourced({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name, annotations: { 'ingressclass.kubernetes.io/is-default-class': String(isDefault) } },
      spec: { controller },
    })

  it('that comes later changes the Ingresses that it means, and no others', () => {
    const later = translator([
      ingress('a', { className: 'edge' }),
      ingress('b', { className: 'other', host: 'b.example' }),
    ])
    const { delta } = later.apply({ set: [classObject('edge', 'k8s.io/ingress-nginx', false)], remove: [] })
    assert.deepEqual(
      delta.routers?.set.map((one) => [one.name, one.headerSet]),
      [['default-a-shop-example@kubernetes', 'nginx']],
    )
  })

  it('that is marked as default later brings those without a class', () => {
    const later = translator([ingress('a')], { classes: { kind: 'directory', only: 'edge' } })
    assert.deepEqual(text(later.apply({ set: [classObject('edge', 'x', true)], remove: [] }).delta), [
      'services: +default-web-80',
      'routers: +default-a-shop-example',
    ])
    assert.deepEqual(text(later.apply({ set: [], remove: ['IngressClass//edge'] }).delta), [
      'services: -default-web-80',
      'routers: -default-a-shop-example',
    ])
  })
})

describe('certificates', () => {
  it('are as old as the oldest Ingress that names their Secret', () => {
    const [younger, older] = ['2024-01-01T00:00:00Z', '2020-01-01T00:00:00Z']
    const all = translator([service('web'), secret('one', 'one')])
    const created = (change: { set: SourcedObject[]; remove: string[] }): unknown =>
      all.apply(change).delta.certificates?.set.map((certificate) => certificate.created)
    const first = ingress('a', { secret: 'one', created: younger })
    const second = ingress('b', { secret: 'one', created: older })
    assert.deepEqual(created({ set: [first], remove: [] }), [Date.parse(younger)])
    assert.deepEqual(created({ set: [second], remove: [] }), [Date.parse(older)])
    assert.deepEqual(created({ set: [], remove: [second.key] }), [Date.parse(younger)])
  })
})

describe('Secrets that are fetched when they are named', () => {
  const known = new Set<string>()
  const asked: string[] = []
  const demanding = (): KubernetesTranslator => {
    known.clear()
    known.add('default/one')
    asked.length = 0
    return translator([ingress('a', { secret: 'one' }), service('web'), secret('one', 'one')], {
      secrets: {
        need(namespace, name) {
          if (asked.at(-1) !== `+${name}`) asked.push(`+${name}`)
          return known.has(`${namespace}/${name}`)
        },
        release: (_namespace, name) => asked.push(`-${name}`),
      },
    })
  }

  it('a certificate stays until the one that takes its place has come', () => {
    const both = demanding()
    const renamed = both.apply({ set: [ingress('a', { secret: 'two' })], remove: [] })
    assert.deepEqual(text(renamed.delta), [])
    assert.deepEqual(both.apply({ set: [], remove: [] }).delta, {}, 'for as long as it takes')
    known.add('default/two')
    const come = both.apply({ set: [secret('two', 'two')], remove: [] })
    assert.deepEqual(text(come.delta), ['certificates: +default-two -default-one'])
    assert.deepEqual(asked, ['+one', '+two', '-one'])
  })

  it('a certificate goes when what takes its place turns out not to exist, or its Ingress is gone', () => {
    const missing = demanding()
    missing.apply({ set: [ingress('a', { secret: 'two' })], remove: [] })
    known.add('default/two')
    const told = missing.apply({ set: [], remove: ['Secret/default/two'] })
    assert.deepEqual(text(told.delta), ['certificates: -default-one'])
    const gone = demanding()
    gone.apply({ set: [ingress('a', { secret: 'two' })], remove: [] })
    const { delta } = gone.apply({ set: [], remove: ['Ingress/default/a'] })
    assert.deepEqual(delta.certificates, { set: [], remove: ['default-one@kubernetes'] })
    assert.deepEqual(asked, ['+one', '+two', '-one', '-two'])
  })

  it('are forgotten when nothing names them any more', () => {
    const all = demanding()
    all.apply({ set: [], remove: ['Ingress/default/a'] })
    // Had it been kept, it would be there at once.
    const again = all.apply({ set: [ingress('a', { secret: 'one' })], remove: [] })
    assert.equal(again.delta.certificates, undefined)
    const come = all.apply({ set: [secret('one', 'one')], remove: [] })
    assert.deepEqual(text(come.delta), ['certificates: +default-one'])
  })
})

it('an Ingress of which a part cannot be read keeps its paths, and lets nobody in', () => {
  const whole = ingress('a', { path: '/a' })
  const both = translator([ingress('b', { path: '/' }), service('web')])
  const { delta } = both.apply({ set: [{ ...whole, closed: 'annotations are none' }], remove: [] })
  assert.deepEqual(
    delta.routers?.set.map((one) => [one.name, one.closed]),
    [['default-a-shop-example-a@kubernetes', 'annotations are none']],
  )
})

describe('parameters of an IngressClass', () => {
  const classObject = (name: string, configMap: string): SourcedObject =>
    sourced({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name },
      spec: { parameters: { kind: 'ConfigMap', name: configMap, namespace: 'edge' } },
    })
  const configMap = (name: string, data: Record<string, string>): SourcedObject =>
    sourced({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'edge' }, data })
  const two = (): KubernetesTranslator =>
    translator([
      classObject('a', 'for-a'),
      classObject('b', 'for-b'),
      configMap('for-a', {}),
      configMap('for-b', {}),
      ingress('a', { className: 'a', host: 'a.example' }),
      ingress('b', { className: 'b', host: 'b.example' }),
      service('web'),
      slice('web-1', 'web', ['10.0.0.1']),
    ])

  it('that change reach the Ingresses of the class and no others', () => {
    const { delta } = two().apply({ set: [configMap('for-b', { 'router.entrypoints': 'web' })], remove: [] })
    assert.deepEqual(
      delta.routers?.set.map((one) => [one.name, one.entryPoints]),
      [['default-b-b-example@kubernetes', ['web']]],
    )
  })

  it('that are gone close the class until they are back', () => {
    const both = two()
    const gone = both.apply({ set: [], remove: ['ConfigMap/edge/for-b'] })
    assert.deepEqual(
      gone.delta.routers?.set.map((one) => [one.name, one.closed]),
      [
        [
          'default-b-b-example@kubernetes',
          'ConfigMap edge/for-b, the parameters of its class b, does not exist',
        ],
      ],
    )
    assert.deepEqual(
      gone.findings.map((one) => `${one.object} ${one.code}`),
      ['IngressClass b ingress-class-parameters'],
    )
    const back = both.apply({ set: [configMap('for-b', {})], remove: [] })
    assert.deepEqual(
      back.delta.routers?.set.map((one) => [one.name, one.closed]),
      [['default-b-b-example@kubernetes', undefined]],
    )
    assert.deepEqual(back.findings, [])
  })

  it('that nobody names touch nothing', () => {
    assert.deepEqual(two().apply({ set: [configMap('other', { affinity: 'cookie' })], remove: [] }).delta, {})
  })
})

describe('the place of this gateway', () => {
  const local = service('local')
  const objects = [
    ingress('near', { host: 'near.example', service: 'near' }),
    ingress('local', { host: 'local.example', service: 'local' }),
    ingress('any', { host: 'any.example', service: 'any' }),
    service('near'),
    service('any'),
    {
      ...local,
      object: {
        ...(local.object as ServiceObject),
        spec: { ports: [{ port: 80 }], internalTrafficPolicy: 'Local' },
      },
    } as SourcedObject,
    placed('near-1', 'near', [
      ['10.0.0.1', 'n1', 'z1'],
      ['10.0.0.2', 'n2', 'z2'],
    ]),
    placed('local-1', 'local', [
      ['10.0.1.1', 'n1'],
      ['10.0.1.2', 'n2'],
    ]),
    placed('any-1', 'any', [['10.0.2.1', 'n1']]),
  ]
  const servers = (delta: DynamicDelta): [string, string[]][] =>
    (delta.services?.set ?? []).map((one) => [one.name, one.servers.map((server) => server.address)])

  for (const isKnown of [true, false]) {
    it(`may become known, and change, for the Services on which it tells (${isKnown ? 'in a cluster' : 'none before'})`, () => {
      const moving = translator(objects, { isCluster: true, ...(isKnown ? { locality: {} } : {}) })
      moving.setLocality({ nodeName: 'n1', zone: 'z1' })
      assert.deepEqual(servers(moving.apply({ set: [], remove: [] }).delta), [
        ['default-near-80@kubernetes', ['10.0.0.1']],
        ['default-local-80@kubernetes', ['10.0.1.1']],
      ])
      moving.setLocality({ nodeName: 'n2', zone: 'z1' })
      assert.deepEqual(servers(moving.apply({ set: [], remove: [] }).delta), [
        ['default-local-80@kubernetes', ['10.0.1.2']],
      ])
      moving.setLocality({ nodeName: 'n3', zone: 'z3' })
      const { delta, findings } = moving.apply({ set: [], remove: [] })
      assert.deepEqual(servers(delta), [
        ['default-near-80@kubernetes', ['10.0.0.1', '10.0.0.2']],
        ['default-local-80@kubernetes', []],
      ])
      assert.deepEqual(
        findings.map((one) => `${one.object} ${one.code}`).filter((one) => one.includes('local')),
        ['Service default/local service-not-local'],
      )
    })
  }
})

describe('many Ingresses', () => {
  it('cost a change of one no more than a few do', () => {
    const objects: SourcedObject[] = []
    for (let i = 0; i < 2000; i++) {
      objects.push(ingress(`i${i}`, { host: `h${i}.example`, service: `s${i}` }), service(`s${i}`))
    }
    const large = translator(objects)
    let reads = 0
    // Whatever is looked at again would read its metadata.
    for (const one of objects) {
      const { metadata } = one.object
      Object.defineProperty(one.object, 'metadata', {
        get() {
          reads++
          return metadata
        },
      })
    }
    large.apply({ set: [slice('s7-1', 's7', ['10.0.0.1'])], remove: [] })
    large.apply({ set: [ingress('i7', { host: 'h7.example', service: 's7', path: '/x' })], remove: [] })
    assert.ok(reads < 20, `${reads} reads of other objects`)
  })
})

describe('one Ingress as large as an API server takes', () => {
  const COUNT = 20_000
  // About a second; half a minute when each part is compared with all others.
  const ENOUGH_MS = 10_000
  const large = (spec: object): SourcedObject => ({
    ...sourced({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'large', namespace: 'default' },
      spec: { rules: [], ...spec },
    }),
    // As in a cluster: findings say the field.
    place: undefined,
    placeOf: () => undefined,
  })
  const path = (i: number, name: string, number: number): object => ({
    path: `/${i}`,
    pathType: 'Prefix',
    backend: { service: { name, port: { number } } },
  })
  const cases: readonly [string, (i: number) => object][] = [
    ['missing Services', (i) => path(i, `missing-${i}`, 80)],
    ['missing ports of one Service', (i) => path(i, 'web', i + 1)],
  ]
  for (const [what, make] of cases) {
    it(`is told of each of its paths to ${what}`, () => {
      const all = translator([service('web')], { isCluster: true })
      const rules = [{ host: 'a.example', http: { paths: Array.from({ length: COUNT }, (_, i) => make(i)) } }]
      const began = performance.now()
      const { findings } = all.apply({ set: [large({ rules })], remove: [] })
      assert.ok(performance.now() - began < ENOUGH_MS)
      assert.ok(findings.length >= COUNT - 1)
      assert.equal(findings.at(-1)?.field, `spec.rules[0].http.paths[${COUNT - 1}].backend`)
    })
  }

  it('may name one Secret in every section', () => {
    const all = translator([service('web'), secret('one', 'one')])
    const tls = Array.from({ length: 2 * COUNT }, (_, i) => ({ hosts: [`h${i}.example`], secretName: 'one' }))
    const began = performance.now()
    const { delta } = all.apply({ set: [large({ tls })], remove: [] })
    assert.ok(performance.now() - began < ENOUGH_MS)
    assert.equal(delta.certificates?.set.length, 1)
  })
})
