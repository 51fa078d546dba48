import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import { FakeApiServer, sendStatus, type Seen } from '#kube/fake-api-server.fixture.ts'
import { SYSTEM_TIMERS, type Timers } from '#kube/timers.ts'
import { Waiter } from '#net/transport/transport.fixture.ts'
import type { KubeObject, ObjectChange } from '#providers/kubernetes/objects.ts'
import { ClusterSource, type ClusterSourceOptions } from './cluster-source.ts'
import {
  CLASS_COLLECTION,
  classOf,
  CONFIG_MAP_COLLECTION,
  configMapOf,
  FAST_TIMERS,
  INGRESS_COLLECTION,
  ingressOf,
  NAMESPACE_COLLECTION,
  namespaceOf,
  SECRET_COLLECTION,
  secretOf,
  SERVICE_COLLECTION,
  serviceOf,
  SLICE_COLLECTION,
  sliceOf,
  WATCHES,
} from './cluster.fixture.ts'
import { INGRESSES } from './resources.ts'

/** What the source handed out. */
class Taken extends Waiter {
  readonly objects = new Map<string, KubeObject>()
  /** `+Ingress/shop/a -Service/shop/b` per change that was not empty. */
  changes: string[] = []
  findings: readonly Finding[] = []
  isSynced = false

  take(change: ObjectChange, findings: readonly Finding[]): void {
    const words: string[] = []
    for (const key of change.remove) {
      this.objects.delete(key)
      words.push(`-${key}`)
    }
    for (const { key, object } of change.set) {
      this.objects.set(key, object)
      words.push(`+${key}`)
    }
    if (words.length > 0) this.changes.push(words.join(' '))
    this.findings = findings
    this.happened()
  }

  get keys(): string {
    return [...this.objects.keys()].sort().join(' ')
  }

  get codes(): string {
    return this.findings.map(({ code, object }) => `${code}: ${object}`).join('; ')
  }

  has(...keys: readonly string[]): Promise<void> {
    const wanted = keys.toSorted().join(' ')
    return this.until(() => this.keys === wanted, `objects ${wanted}`)
  }

  /** Waits until the findings are those, and returns the text of the first. */
  async says(codes: string): Promise<string> {
    await this.until(() => this.codes === codes, `findings ${codes}`)
    return this.findings[0]?.message ?? ''
  }
}

interface Bed {
  readonly server: FakeApiServer
  readonly source: ClusterSource
  readonly taken: Taken
  readonly started: Promise<void>
  readonly abort: AbortController
}

interface BedOptions extends Partial<ClusterSourceOptions> {
  readonly timers?: Timers
  /** Secrets of `shop` that the translation asks for when the Ingress comes. */
  readonly needs?: readonly string[]
  readonly before?: (server: FakeApiServer) => void
  /** Called with each change, before it counts as taken. */
  readonly onTake?: (change: ObjectChange) => void
}

async function bed(t: TestContext, options: BedOptions = {}): Promise<Bed> {
  const { timers = SYSTEM_TIMERS, before, onTake, needs = [], ...rest } = options
  const server = await new FakeApiServer().start()
  before?.(server)
  const source = new ClusterSource(server.client({ timers }), {
    namespaces: [],
    servesClass: ({ spec }) => spec?.controller === 'sekisho.dev/ingress-controller',
    ...rest,
  })
  const taken = new Taken()
  const abort = new AbortController()
  t.after(async () => {
    abort.abort()
    await server[Symbol.asyncDispose]()
  })
  const started = source.start((change, findings) => {
    if (change.set.some(({ kind }) => kind === 'Ingress')) {
      for (const name of needs) source.demand.need('shop', name)
    }
    onTake?.(change)
    taken.take(change, findings)
  }, abort.signal)
  void started.then(() => {
    taken.isSynced = true
    taken.happened()
  })
  return { server, source, taken, started, abort }
}

/** Answers 403 where the path matches. */
function forbid(server: FakeApiServer, isForbidden: (seen: Seen) => boolean): void {
  server.intercept = (seen, response) => {
    if (!isForbidden(seen)) return false
    sendStatus(response, 403, 'Forbidden', `${seen.path} is forbidden`)
    return true
  }
}

function filled(server: FakeApiServer): void {
  server.put(CLASS_COLLECTION, classOf('edge'))
  server.put(SERVICE_COLLECTION, serviceOf('web'))
  server.put(SLICE_COLLECTION, sliceOf('web', ['10.0.0.1']))
  server.put(INGRESS_COLLECTION, ingressOf('web'))
  server.put(SECRET_COLLECTION, secretOf('tls'))
}

const ALL = ['IngressClass//edge', 'Service/shop/web', 'EndpointSlice/shop/web-1', 'Ingress/shop/web']

describe('the first set', () => {
  it('is complete, what is named before what names it, and without Secrets', async (t) => {
    const { taken, started, server } = await bed(t, { before: filled })
    await started
    assert.deepEqual(taken.changes, [ALL.map((key) => `+${key}`).join(' ')])
    assert.equal(taken.codes, '')
    const lists = server.seen.filter(({ path }) => path.endsWith('/secrets'))
    assert.ok(lists.length > 0)
    for (const { headers } of lists) assert.match(headers.accept ?? '', /PartialObjectMetadata/)
  })

  it('waits for the slowest list', async (t) => {
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { taken, started, server, source } = await bed(t, {
      before: (server) => {
        filled(server)
        server.intercept = async ({ path }) => {
          if (path.endsWith('/endpointslices')) await held
          return false
        }
      },
    })
    await server.watching(WATCHES - 1)
    assert.equal(taken.keys, '')
    assert.equal(source.waitsFor(), 'waits for the first list of endpointslices')
    release()
    await started
    assert.equal(source.waitsFor(), undefined)
    await taken.has(...ALL)
  })

  it('comes in pieces where it is large', async (t) => {
    const { taken, started } = await bed(t, {
      before: (server) => {
        for (let i = 0; i < 4100; i++) server.put(SERVICE_COLLECTION, serviceOf(`s${i}`))
      },
    })
    await started
    assert.equal(taken.objects.size, 4100)
    assert.deepEqual(
      taken.changes.map((text) => text.split(' ').length),
      [2000, 2000, 100],
    )
  })

  it('waits for the Secrets that are asked for', async (t) => {
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { source, taken, started, server } = await bed(t, {
      needs: ['tls', 'none'],
      before: (server) => {
        filled(server)
        server.intercept = async ({ path }) => {
          if (path.endsWith('/secrets/tls')) await held
          return false
        }
      },
    })
    await taken.until(() => taken.changes.length === 2, 'the one that is not there')
    assert.equal(taken.changes[1], '-Secret/shop/none')
    assert.equal(source.demand.need('shop', 'tls'), false)
    assert.equal(source.waitsFor(), 'waits for Secrets that Ingresses name')
    assert.equal(taken.isSynced, false)
    release()
    await started
    await taken.has(...ALL, 'Secret/shop/tls')
    assert.equal(source.demand.need('shop', 'none'), true)
    assert.equal(server.count('GET', 'secrets/'), 2)
  })

  it('does not come when there is nothing to be read, and start ends with its signal', async (t) => {
    const { source, taken, started, abort } = await bed(t, {
      timers: FAST_TIMERS,
      before: (server) => forbid(server, ({ path }) => path.includes('/ingresses')),
    })
    const text = await taken.says('cluster-forbidden: ingresses')
    assert.match(text, /^may not list and watch ingresses in all namespaces; no Ingress there is served$/)
    assert.equal(source.waitsFor(), 'may not read Ingresses in any namespace')
    assert.equal(taken.isSynced, false)
    abort.abort()
    await started
  })
})

describe('changes', () => {
  it('of one read of the connection are one change', async (t) => {
    const { server, taken, started } = await bed(t, { before: filled })
    await started
    await server.watching(WATCHES)
    taken.changes = []
    server.put(INGRESS_COLLECTION, ingressOf('a'))
    server.put(INGRESS_COLLECTION, ingressOf('b'))
    server.remove(INGRESS_COLLECTION, 'shop', 'web')
    await taken.until(
      () => taken.objects.has('Ingress/shop/b') && taken.changes.join().includes('-'),
      'all three',
    )
    const changes = taken.changes.join(' ').split(' ').toSorted()
    assert.deepEqual(changes, ['+Ingress/shop/a', '+Ingress/shop/b', '-Ingress/shop/web'])
  })

  it('that mean nothing are not handed out, and share what they hold with the version before', async (t) => {
    const { server, source, taken, started } = await bed(t, { before: filled })
    await started
    await server.watching(WATCHES)
    const before = source.get(INGRESSES, 'shop/web')
    taken.changes = []
    const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }
    server.put(INGRESS_COLLECTION, { ...ingressOf('web'), status })
    const slice = sliceOf('web', ['10.0.0.1'])
    slice.metadata.annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': 'now' }
    server.put(SLICE_COLLECTION, slice)
    server.put(SLICE_COLLECTION, sliceOf('other', ['10.0.0.2']))
    await taken.until(
      () => taken.objects.has('EndpointSlice/shop/other-1'),
      'the change that means something',
    )
    const present = (): ReturnType<typeof source.get> => source.get(INGRESSES, 'shop/web')
    await taken.until(() => present()?.status !== undefined, 'the status')
    assert.deepEqual(taken.changes, ['+EndpointSlice/shop/other-1'])
    assert.deepEqual(present()?.status, status)
    assert.equal((present() as { spec?: unknown }).spec, (before as { spec?: unknown }).spec)
    assert.notEqual(present()?.metadata.resourceVersion, before?.metadata.resourceVersion)
  })

  it('hold what is read and nothing else', async (t) => {
    const { server, taken, started } = await bed(t, {
      before: (server) => {
        const slice = sliceOf('web', ['10.0.0.1', '10.0.0.2'])
        slice.metadata.managedFields = [{ manager: 'x' }]
        server.put(SLICE_COLLECTION, slice)
        const service = serviceOf('web')
        service.metadata.labels = { app: 'web' }
        service['status'] = { loadBalancer: {} }
        server.put(SERVICE_COLLECTION, service)
      },
    })
    await started
    assert.ok(server.version)
    const slice = taken.objects.get('EndpointSlice/shop/web-1')!
    assert.deepEqual(Object.keys(slice).toSorted(), [
      'addressType',
      'apiVersion',
      'endpoints',
      'kind',
      'metadata',
      'ports',
    ])
    assert.deepEqual(slice.metadata.labels, { 'kubernetes.io/service-name': 'web' })
    const { endpoints = [] } = slice as { endpoints?: { conditions: unknown }[] }
    assert.equal(endpoints[0]?.conditions, endpoints[1]?.conditions)
    const service = taken.objects.get('Service/shop/web')!
    assert.deepEqual(Object.keys(service).toSorted(), ['apiVersion', 'kind', 'metadata', 'spec'])
    assert.equal(service.metadata.labels, undefined)
  })

  it('that were missed while a watch was cut come as changes', async (t) => {
    const { server, taken, started } = await bed(t, { before: filled, timers: FAST_TIMERS })
    await started
    await server.watching(WATCHES)
    taken.changes = []
    server.remove(SERVICE_COLLECTION, 'shop', 'web')
    server.compact()
    server.cutWatches()
    server.put(INGRESS_COLLECTION, ingressOf('late'))
    await taken.has('IngressClass//edge', 'EndpointSlice/shop/web-1', 'Ingress/shop/web', 'Ingress/shop/late')
    assert.deepEqual(taken.changes.join(' ').split(' ').toSorted(), [
      '+Ingress/shop/late',
      '-Service/shop/web',
    ])
  })

  it('into a shape that no Ingress has leave the last good one in force', async (t) => {
    const { server, taken, started } = await bed(t, { before: filled, timers: FAST_TIMERS })
    await started
    await server.watching(WATCHES)
    server.put(INGRESS_COLLECTION, { ...ingressOf('web'), spec: { rules: 'none' } })
    const text = await taken.says('cluster-object: Ingress shop/web')
    assert.match(
      text,
      /^spec\.rules must be a list, is a string; the last version that could be read stays in force$/,
    )
    await taken.has(...ALL)
    server.put(INGRESS_COLLECTION, ingressOf('web', { host: 'new.example' }))
    await taken.says('')
    assert.match(JSON.stringify(taken.objects.get('Ingress/shop/web')), /new\.example/)
  })
})

describe('namespaces', () => {
  it('that are named are all that is asked for', async (t) => {
    const { server, taken, started } = await bed(t, {
      namespaces: ['shop', 'blog'],
      before: (server) => {
        filled(server)
        server.put(INGRESS_COLLECTION, ingressOf('x', { namespace: 'other' }))
        server.put(INGRESS_COLLECTION, ingressOf('y', { namespace: 'blog' }))
      },
    })
    await started
    await taken.has(...ALL, 'Ingress/blog/y')
    for (const { path } of server.seen) {
      const isScoped = /\/namespaces\/(?:shop|blog)\//.test(path) || path.endsWith('/ingressclasses')
      assert.ok(isScoped, path)
    }
  })

  it('are selected by labels, which may change', async (t) => {
    const { server, taken, started } = await bed(t, {
      namespaceSelector: 'gateway=public',
      before: (server) => {
        filled(server)
        server.put(NAMESPACE_COLLECTION, namespaceOf('shop', { gateway: 'public' }))
        server.put(NAMESPACE_COLLECTION, namespaceOf('blog'))
        server.put(INGRESS_COLLECTION, ingressOf('y', { namespace: 'blog' }))
      },
    })
    await started
    await taken.has(...ALL)
    await server.watching(WATCHES + 1)
    server.put(INGRESS_COLLECTION, ingressOf('z', { namespace: 'blog' }))
    server.put(NAMESPACE_COLLECTION, namespaceOf('blog', { gateway: 'public' }))
    await taken.has(...ALL, 'Ingress/blog/y', 'Ingress/blog/z')
    server.put(NAMESPACE_COLLECTION, namespaceOf('shop', { gateway: 'private' }))
    await taken.has('IngressClass//edge', 'Ingress/blog/y', 'Ingress/blog/z')
    server.remove(NAMESPACE_COLLECTION, '', 'blog')
    await taken.has('IngressClass//edge')
  })

  it('and labels of Ingresses are left to the API server', async (t) => {
    const { server, taken, started } = await bed(t, {
      ingressSelector: 'tier=edge',
      before: (server) => {
        server.put(INGRESS_COLLECTION, ingressOf('a', { labels: { tier: 'edge' } }))
        server.put(INGRESS_COLLECTION, ingressOf('b'))
      },
    })
    await started
    await taken.has('Ingress/shop/a')
    await server.watching(WATCHES)
    server.put(INGRESS_COLLECTION, ingressOf('b', { labels: { tier: 'edge' } }))
    await taken.has('Ingress/shop/a', 'Ingress/shop/b')
    server.put(INGRESS_COLLECTION, ingressOf('a'))
    await taken.has('Ingress/shop/b')
  })
})

describe('rights', () => {
  it('that are missing in one namespace are told, block nothing, and heal', async (t) => {
    const { server, taken, started } = await bed(t, {
      namespaces: ['shop', 'blog'],
      timers: FAST_TIMERS,
      before: (server) => {
        filled(server)
        server.put(INGRESS_COLLECTION, ingressOf('y', { namespace: 'blog' }))
        forbid(server, ({ path }) => path.includes('/blog/ingresses'))
      },
    })
    await started
    await taken.has(...ALL)
    const text = await taken.says('cluster-forbidden: ingresses in blog')
    assert.equal(text, 'may not list and watch ingresses in namespace blog; no Ingress there is served')
    assert.match(
      taken.findings[0]?.hint ?? '',
      /^a Role with the verbs list, watch for ingresses in networking\.k8s\.io/,
    )
    server.intercept = undefined
    await taken.has(...ALL, 'Ingress/blog/y')
    await taken.says('')
  })

  it('to read classes may be missing', async (t) => {
    const { taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      before: (server) => {
        filled(server)
        forbid(server, ({ path }) => path.endsWith('/ingressclasses'))
      },
    })
    await started
    assert.match(
      await taken.says('cluster-forbidden: ingressclasses'),
      /known by its name alone \(--ingress-class\)$/,
    )
    await taken.has(...ALL.slice(1))
  })

  it('to get Secrets may be missing while others are watched', async (t) => {
    const { source, taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      needs: ['tls'],
      before: (server) => {
        filled(server)
        forbid(server, ({ path }) => path.includes('/secrets/'))
      },
    })
    await started
    await taken.has(...ALL)
    assert.match(
      await taken.says('cluster-forbidden: secrets in shop'),
      /^may not get secrets in namespace shop/,
    )
    assert.equal(source.demand.need('shop', 'tls'), false)
  })

  it('that an API server denies once while it starts are no refusal', async (t) => {
    let denials = 0
    const { taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      before: (server) => {
        filled(server)
        forbid(server, ({ path }) => path.endsWith('/ingresses') && denials++ === 0)
      },
    })
    await started
    await taken.has(...ALL)
    assert.equal(taken.codes, '')
  })
})

describe('an API server that does not answer', () => {
  it('is told with what and since when, and what was read stays', async (t) => {
    const { server, source, taken, started } = await bed(t, { before: filled, timers: FAST_TIMERS })
    await started
    await server.watching(WATCHES)
    server.intercept = (_seen, response) => {
      sendStatus(response, 500, 'InternalError', 'etcd is away')
      return true
    }
    server.cutWatches()
    const text = await taken.says('cluster-unreachable: API server')
    assert.match(text, /^cannot be followed since \S+Z: /)
    await taken.has(...ALL)
    assert.ok(source.facts().every(({ hasProblem }) => hasProblem))
    server.intercept = undefined
    await taken.says('')
    assert.ok(source.facts().every(({ hasProblem }) => !hasProblem))
  })

  it('is told before the first sync, too', async (t) => {
    const { server, source, taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      before: (server) => {
        filled(server)
        server.token = 'right'
      },
    })
    assert.match(await taken.says('cluster-unreachable: API server'), /Unauthorized$/)
    assert.match(taken.findings[0]?.hint ?? '', /^the credentials are tried again/)
    assert.match(source.waitsFor() ?? '', /^waits for the first list of \w+: .*Unauthorized$/)
    assert.equal(taken.isSynced, false)
    server.token = undefined
    await started
    await taken.has(...ALL)
  })
})

describe('Secrets', () => {
  it('are fetched again when they change, and only those that are named', async (t) => {
    const { server, source, taken, started } = await bed(t, { before: filled })
    await started
    source.demand.need('shop', 'tls')
    await taken.has(...ALL, 'Secret/shop/tls')
    await server.watching(WATCHES)
    server.put(SECRET_COLLECTION, secretOf('other'))
    server.put(SECRET_COLLECTION, secretOf('tls', 'renewed'))
    const renewed = Buffer.from('renewed').toString('base64')
    await taken.until(
      () => JSON.stringify(taken.objects.get('Secret/shop/tls')).includes(renewed),
      'the new one',
    )
    server.remove(SECRET_COLLECTION, 'shop', 'tls')
    await taken.has(...ALL)
    assert.equal(source.demand.need('shop', 'tls'), true)
    server.put(SECRET_COLLECTION, secretOf('tls', 'again'))
    await taken.has(...ALL, 'Secret/shop/tls')
    assert.equal(server.count('GET', 'secrets/other'), 0)
    source.demand.release('shop', 'tls')
    const count = server.count('GET', 'secrets/tls')
    server.put(SECRET_COLLECTION, secretOf('tls', 'unheard'))
    server.put(INGRESS_COLLECTION, ingressOf('last'))
    await taken.until(() => taken.objects.has('Ingress/shop/last'), 'a later change')
    assert.equal(server.count('GET', 'secrets/tls'), count)
  })

  it('are asked for at intervals where they cannot be watched', async (t) => {
    const { server, taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      needs: ['later'],
      before: (server) => {
        filled(server)
        forbid(server, ({ path }) => path.endsWith('/secrets'))
      },
    })
    await started
    assert.match(await taken.says('cluster-forbidden: secrets'), /asked for every half minute instead$/)
    await taken.has(...ALL)
    server.put(SECRET_COLLECTION, secretOf('later'))
    await taken.has(...ALL, 'Secret/shop/later')
  })

  it('are tried again while the API server does not give them', async (t) => {
    let failures = 2
    const { taken, started } = await bed(t, {
      timers: FAST_TIMERS,
      needs: ['tls'],
      before: (server) => {
        filled(server)
        server.intercept = ({ path }, response) => {
          if (!path.includes('/secrets/') || failures-- <= 0) return false
          sendStatus(response, 500, 'InternalError', 'no')
          return true
        }
      },
    })
    await started
    await taken.has(...ALL, 'Secret/shop/tls')
  })
})

describe('parameters of classes', () => {
  const parameters = (name: string): unknown => ({
    kind: 'ConfigMap',
    name,
    namespace: 'edge',
    scope: 'Namespace',
  })

  it('are watched by name, for classes that are ours', async (t) => {
    const { server, taken, started } = await bed(t, {
      before: (server) => {
        server.put(CLASS_COLLECTION, classOf('edge', { parameters: parameters('one') }))
        server.put(CLASS_COLLECTION, classOf('nginx', { controller: 'x', parameters: parameters('two') }))
        for (const name of ['one', 'two', 'three']) {
          server.put(CONFIG_MAP_COLLECTION, configMapOf(name, 'edge', { 'proxy-body-size': '1m' }))
        }
      },
    })
    await started
    const classes = ['IngressClass//edge', 'IngressClass//nginx']
    await taken.has(...classes, 'ConfigMap/edge/one')
    for (const { path, query } of server.seen.filter((seen) => seen.path.includes('configmaps'))) {
      assert.equal(path, '/api/v1/namespaces/edge/configmaps')
      assert.equal(query.get('fieldSelector'), 'metadata.name=one')
    }
    await server.watching(WATCHES + 1)
    server.put(CLASS_COLLECTION, classOf('edge', { parameters: parameters('three') }))
    await taken.has(...classes, 'ConfigMap/edge/three')
    server.put(CONFIG_MAP_COLLECTION, configMapOf('three', 'edge', { 'proxy-body-size': '2m' }))
    await taken.until(
      () => JSON.stringify(taken.objects.get('ConfigMap/edge/three')).includes('2m'),
      'its change',
    )
    server.remove(CLASS_COLLECTION, '', 'edge')
    await taken.has('IngressClass//nginx')
  })

  it('are there before the class that names them changes', async (t) => {
    const { server, taken, started } = await bed(t, {
      before: (server) => {
        server.put(CLASS_COLLECTION, classOf('edge', { parameters: parameters('one') }))
        for (const name of ['one', 'two']) server.put(CONFIG_MAP_COLLECTION, configMapOf(name, 'edge', {}))
      },
    })
    await started
    await server.watching(WATCHES + 1)
    taken.changes = []
    server.put(CLASS_COLLECTION, classOf('edge', { parameters: parameters('two') }))
    await taken.has('IngressClass//edge', 'ConfigMap/edge/two')
    assert.deepEqual(taken.changes, ['+ConfigMap/edge/two', '-ConfigMap/edge/one +IngressClass//edge'])
  })

  it('are read in a namespace that is not selected, too', async (t) => {
    const { server, taken, started } = await bed(t, {
      namespaceSelector: 'gateway=public',
      before: (server) => {
        server.put(CLASS_COLLECTION, classOf('edge', { parameters: parameters('one') }))
        server.put(CONFIG_MAP_COLLECTION, configMapOf('one', 'edge', { 'proxy-body-size': '1m' }))
      },
    })
    await started
    await taken.has('IngressClass//edge', 'ConfigMap/edge/one')
    await server.watching(WATCHES + 2)
    server.put(CONFIG_MAP_COLLECTION, configMapOf('one', 'edge', { 'proxy-body-size': '2m' }))
    await taken.until(
      () => JSON.stringify(taken.objects.get('ConfigMap/edge/one')).includes('2m'),
      'its change',
    )
    server.remove(CONFIG_MAP_COLLECTION, 'edge', 'one')
    await taken.has('IngressClass//edge')
  })
})

describe('a change that takes long', () => {
  const LONGEST_REST_MS = 2000

  it('is followed by one of all that came meanwhile, in its last version', async (t) => {
    let isHeld = false
    const held: (() => void)[] = []
    // The rest that is begun in the turn of the long change waits until it is let go.
    const timers: Timers = {
      ...SYSTEM_TIMERS,
      after(ms, callback) {
        if (!isHeld || ms > LONGEST_REST_MS) return SYSTEM_TIMERS.after(ms, callback)
        held.push(callback)
        return () => {}
      },
    }
    const { source, taken, started, server } = await bed(t, {
      timers,
      before: filled,
      onTake: ({ set }) => {
        if (!set.some(({ key }) => key === 'Ingress/shop/large')) return
        isHeld = true
        queueMicrotask(() => (isHeld = false))
        const until = performance.now() + 60
        while (performance.now() < until);
      },
    })
    await started
    source.addHandler(INGRESSES, { onBatchEnd: () => taken.happened() })
    server.put(INGRESS_COLLECTION, ingressOf('large'))
    await taken.has(...ALL, 'Ingress/shop/large')
    assert.equal(held.length, 1)
    const before = taken.changes.length
    for (const path of ['/1', '/2', '/3']) {
      server.put(INGRESS_COLLECTION, ingressOf('other', { path }))
      const isThere = (): boolean =>
        JSON.stringify(source.get(INGRESSES, 'shop/other')?.['spec' as never] ?? '').includes(`"${path}"`)
      await taken.until(isThere, `path ${path}`)
    }
    server.remove(INGRESS_COLLECTION, 'shop', 'large')
    await taken.until(() => source.get(INGRESSES, 'shop/large') === undefined, 'its removal')
    assert.equal(taken.changes.length, before)
    held[0]?.()
    assert.deepEqual(taken.changes.slice(before), ['-Ingress/shop/large +Ingress/shop/other'])
    assert.match(JSON.stringify(taken.objects.get('Ingress/shop/other')), /"\/3"/)
    server.put(INGRESS_COLLECTION, ingressOf('next'))
    await taken.has(...ALL, 'Ingress/shop/next', 'Ingress/shop/other')
  })
})
