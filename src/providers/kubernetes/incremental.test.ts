/** Whatever the history of changes, what is in force is what a fresh translation of the present objects gives. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { DynamicDelta } from '#config/model/dynamic.ts'
import { objectKey, type KubeObject, type SourcedObject } from './objects.ts'
import { KubernetesTranslator, type TranslatorOptions } from './translator.ts'

const place = { file: 'x.yaml', line: 1, column: 1 }
const directory: TranslatorOptions = {
  providerName: 'kubernetes',
  classes: { kind: 'directory', only: 'edge' },
  backends: (_namespace, service) => (service === 's1' ? [{ host: '127.0.0.1', port: 9000 }] : []),
}
const cluster: TranslatorOptions = {
  providerName: 'kubernetes',
  classes: { kind: 'cluster', controller: 'k8s.io/ingress-nginx', isClasslessServed: true },
  backends: () => [],
  isCluster: true,
  allowsExternalNames: false,
  locality: { nodeName: 'n0', zone: 'z0' },
  defaultEntryPoints: ['web'],
}

/** Mulberry32: the same numbers for the same seed. */
function random(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % bound
  }
}

type Pick = <T>(list: readonly T[]) => T

function randomObject(below: (bound: number) => number, pick: Pick): KubeObject {
  const metadata = { namespace: 'default', name: '' }
  const name = (prefix: string, count: number): typeof metadata => ({
    ...metadata,
    name: prefix + below(count),
  })
  switch (below(11)) {
    case 0:
      return {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: {
          name: pick(['edge', 'nginx']),
          annotations: { 'ingressclass.kubernetes.io/is-default-class': pick(['true', 'false']) },
        },
        spec: {
          controller: pick(['k8s.io/ingress-nginx', 'other']),
          ...pick([
            {},
            {},
            { parameters: { kind: 'ConfigMap', name: 'c0', namespace: 'default' } },
            { parameters: { kind: 'Other', name: 'c0' } },
          ]),
        },
      }
    case 1:
    case 6:
      return {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { ...name('s', 3), ...pick([{}, { annotations: { 'konghq.com/plugins': 'x' } }]) },
        spec: {
          ports: [{ port: 80, ...pick([{}, {}, {}, { name: 'http' }]) }],
          sessionAffinity: pick(['None', 'ClientIP']),
          ...pick([
            {},
            {},
            { internalTrafficPolicy: 'Local' },
            { type: 'ExternalName', externalName: 'db.example' },
            { ipFamilies: ['IPv6', 'IPv4'] },
          ]),
        },
      }
    case 2:
    case 3: {
      const isV6 = below(3) === 0
      return {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          ...name('e', 4),
          labels: below(6) === 0 ? {} : { 'kubernetes.io/service-name': `s${below(3)}` },
        },
        addressType: isV6 ? 'IPv6' : 'IPv4',
        ports: [pick([{ port: 8080 }, { port: 8080 }, { name: 'http', port: 8081 }])],
        endpoints: Array.from({ length: below(4) }, () => ({
          addresses: [`${isV6 ? '2001:db8::' : '10.0.0.'}${below(3)}`],
          conditions: pick([
            { ready: true },
            {},
            { ready: false },
            { ready: false, serving: true, terminating: true },
          ]),
          ...pick([{}, { targetRef: { uid: `u${below(3)}` } }]),
          ...pick([{}, { nodeName: `n${below(2)}` }]),
          ...pick([
            {},
            { hints: { forZones: [{ name: `z${below(2)}` }] } },
            { hints: { forZones: [{ name: 'z0' }], forNodes: [{ name: `n${below(2)}` }] } },
          ]),
        })),
      }
    }
    case 4:
      return {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: name('t', 2),
        type: pick(['kubernetes.io/tls', 'Opaque', 'other']),
        data: { 'tls.crt': pick(['YQ==', 'Yg==', '']), 'tls.key': 'YQ==' },
      }
    case 5:
      return {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: name('c', 2),
        data: pick([
          {},
          { 'ssl-redirect': 'true', nonsense: 'x' },
          { 'proxy-read-timeout': '7', affinity: 'cookie' },
          { 'whitelist-source-range': '10.0.0.0/8' },
        ]),
      }
    default: {
      const annotations: Record<string, string> = {}
      for (let i = below(3); i > 0; i--) {
        const [key, value] = pick([
          ['rewrite-target', '/$1'],
          ['use-regex', 'true'],
          ['app-root', '/home'],
          ['ssl-redirect', 'true'],
          ['affinity', 'cookie'],
          ['proxy-read-timeout', '10'],
          ['limit-rps', '5'],
          ['canary', 'true'],
          ['proxy-buffering', 'on'],
          ['nonsense', 'x'],
        ] as const)
        annotations[`nginx.ingress.kubernetes.io/${key}`] = value
      }
      const backend = () => ({ service: { name: `s${below(3)}`, port: { number: pick([80, 80, 80, 81]) } } })
      return {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { ...name('i', 6), annotations, creationTimestamp: `2024-01-0${1 + below(3)}T00:00:00Z` },
        spec: {
          ...pick([{}, { ingressClassName: 'edge' }, { ingressClassName: 'nginx' }]),
          ...pick([{}, { defaultBackend: backend() }]),
          ...pick([{}, { tls: [{ hosts: [pick(['a.example', '*.example'])], secretName: `t${below(2)}` }] }]),
          rules: Array.from({ length: below(3) }, () => ({
            host: pick(['a.example', 'b.example', '*.example', '']),
            http: {
              paths: Array.from({ length: 1 + below(3) }, () => ({
                path: pick(['/', '/a', '/a/', '/b/(.*)', '/c(']),
                pathType: pick(['Exact', 'Prefix', 'ImplementationSpecific']),
                backend: backend(),
              })),
            },
          })),
        },
      }
    }
  }
}

function apply(state: Map<string, unknown>, delta: DynamicDelta): void {
  for (const [kind, value] of Object.entries(delta)) {
    const changes = value as { set: { name: string }[]; remove: string[] }
    for (const name of changes.remove)
      assert.ok(state.delete(`${kind} ${name}`), `${kind} ${name} was not there`)
    for (const one of changes.set) state.set(`${kind} ${one.name}`, one)
  }
}

/**
 * Everything as text in order. Of names that read the same, which one has a hash behind depends on who came first; so
 * hashes are left out, and routers hold their middlewares instead of naming them.
 */
function present(state: Map<string, unknown>): string[] {
  const print = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
  return [...state]
    .map(([key, value]) => {
      const { middlewares = [], ...rest } = value as { middlewares?: string[] }
      const held = middlewares.map((name) => {
        const middleware = state.get(`middlewares ${name}`)
        assert.ok(middleware !== undefined, `${key} names ${name}`)
        return middleware
      })
      return print([key, rest, held]).replaceAll(/-[0-9a-f]{8}@/g, '@')
    })
    .toSorted()
}

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  it(`a history of changes gives what its end gives (seed ${seed})`, () => {
    const below = random(seed)
    const pick: Pick = (list) => list[below(list.length)] as (typeof list)[number]
    const objects = new Map<string, SourcedObject>()
    let options = seed % 2 === 0 ? cluster : directory
    const history = new KubernetesTranslator(options)
    const state = new Map<string, unknown>()
    for (let step = 0; step < 200; step++) {
      const set: SourcedObject[] = []
      const remove: string[] = []
      for (let i = 1 + below(3); i > 0; i--) {
        if (objects.size > 0 && below(8) === 0) {
          const key = pick([...objects.keys()])
          if (set.some((one) => one.key === key) || !objects.delete(key)) continue
          remove.push(key)
          continue
        }
        const object = randomObject(below, pick)
        const key = objectKey(object.kind, object.metadata.namespace, object.metadata.name)
        if (set.some((one) => one.key === key)) continue
        const sourced = { key, kind: object.kind, object, place, placeOf: () => place }
        objects.set(key, sourced)
        set.push(sourced)
      }
      if (options.isCluster === true && below(3) === 0) {
        options = { ...options, locality: pick([{}, { nodeName: 'n1', zone: 'z0' }, { zone: 'z1' }]) }
        history.setLocality(options.locality ?? {})
      }
      const result = history.apply({ set, remove })
      apply(state, result.delta)
      const fresh = new KubernetesTranslator(options).apply({ set: [...objects.values()], remove: [] })
      const expected = new Map<string, unknown>()
      apply(expected, fresh.delta)
      assert.deepEqual(present(state), present(expected), `step ${step}`)
      const messages = (list: typeof result.findings): string[] =>
        list.map((one) => `${one.code} ${one.severity}`).toSorted()
      assert.deepEqual(messages(result.findings), messages(fresh.findings), `step ${step}`)
    }
  })
}
