import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Cluster } from '../cluster.ts'
import type { PodObject } from '../cluster-objects.ts'
import { NAMESPACES, PODS } from '../resources.ts'
import type { ContainerSpec, Pod, PodSpec } from './pod.ts'

const NAMESPACE = 'life'

let cluster: Cluster
before(async () => {
  cluster = await Cluster.start({ nodes: 1 })
  await cluster.objects.createNamespace(NAMESPACE)
})
after(async () => cluster?.stop())

type Wanted = Partial<Omit<PodSpec, 'containers'>> & {
  readonly container?: Partial<ContainerSpec>
  readonly containers?: readonly Partial<ContainerSpec>[]
}

function podObject(name: string, wanted: Wanted): object {
  const { container = {}, containers = [container], ...spec } = wanted
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: containers.map((each, index) => ({ name: `c${index}`, image: 'busybox', ...each })),
      ...spec,
    },
  }
}

async function create(name: string, wanted: Wanted): Promise<void> {
  await cluster.objects.apply([podObject(name, wanted)])
}

function sh(script: string): Pick<ContainerSpec, 'command'> {
  return { command: ['sh', '-c', script] }
}

function waitFor(name: string, isSo: (pod: Pod) => boolean | undefined): Promise<Pod> {
  return cluster.objects.waitFor<Pod>(PODS, { namespace: NAMESPACE, name }, isSo, 20_000)
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

async function ready(name: string): Promise<Pod> {
  return waitFor(name, isReady)
}

async function logs(name: string, ...more: readonly string[]): Promise<string> {
  return cluster.kubectl(['logs', '-n', NAMESPACE, name, ...more])
}

async function events(name: string): Promise<string> {
  return cluster.kubectl(['events', '-n', NAMESPACE, '--for', `pod/${name}`])
}

async function remove(name: string, ...more: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  await cluster.kubectl(['delete', 'pod', '-n', NAMESPACE, name, ...more])
  return performance.now() - startedAt
}

/** From the cluster's side, which reaches pods. */
async function ask(pod: Pod, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://${pod.status?.podIP}:8080${path}`, { method })
  return { status: response.status, body: await response.text() }
}

function lastEnd(pod: Pod) {
  return pod.status?.containerStatuses?.[0]?.lastState.terminated
}

describe('probes', { concurrency: 8 }, () => {
  test('what others write over their outcome does not last', async () => {
    await create('overwritten', { container: sh('exec sleep 1000') })
    await ready('overwritten')
    const [name, conditions] = ['overwritten', [{ type: 'Ready', status: 'False', reason: 'Test' }]]
    const options = { subresource: 'status' }
    const where = { namespace: NAMESPACE, name }
    const patched = await cluster.client.patch<Pod>(
      PODS,
      where,
      'strategic',
      { status: { conditions } },
      options,
    )
    assert.ok(!isReady(patched))
    await ready(name)
  })

  test('make a pod ready when it answers, and not ready when it does not', async () => {
    const probe = { httpGet: { path: '/healthz', port: 'web' }, periodSeconds: 1, failureThreshold: 1 }
    const ports = [{ name: 'web', containerPort: 8080 }]
    await create('flips', { container: { image: 'backend', ports, readinessProbe: probe } })
    const pod = await ready('flips')
    await ask(pod, '/healthz/off', 'POST')
    const off = await waitFor('flips', (each) => !isReady(each))
    assert.equal(off.status?.phase, 'Running')
    assert.match(
      await events('flips'),
      /Unhealthy.*Readiness probe failed: HTTP probe failed with statuscode: 503/,
    )
    await ask(pod, '/healthz/on', 'POST')
    assert.equal((await ready('flips')).status?.containerStatuses?.[0]?.restartCount, 0)
  })

  test('restart a container that does not live', async () => {
    const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, failureThreshold: 2 }
    await create('dies', { container: { image: 'backend', livenessProbe: probe, readinessProbe: probe } })
    const pod = await ready('dies')
    const { uid } = pod.metadata
    await ask(pod, '/healthz/off', 'POST')
    const again = await waitFor(
      'dies',
      (each) => each.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(each),
    )
    assert.equal(again.metadata.uid, uid)
    assert.equal(lastEnd(again)?.exitCode, 0, 'it was asked to end')
    assert.match(await events('dies'), /Killing.*failed liveness probe, will be restarted/)
    assert.match(await logs('dies', '--previous'), /SIGTERM/)
    assert.doesNotMatch(await logs('dies'), /SIGTERM/)
  })

  test('of commands and connections', async () => {
    await create('asks', {
      containers: [
        {
          ...sh('until [ -e /go ]; do sleep 0.05; done; touch /ready; sleep 1000'),
          readinessProbe: { exec: { command: ['test', '-e', '/ready'] }, periodSeconds: 1 },
        },
        { image: 'backend', readinessProbe: { tcpSocket: { port: 8080 } } },
      ],
    })
    const before = await waitFor('asks', ({ status }) => status?.containerStatuses?.[1]?.ready)
    assert.equal(isReady(before), false)
    await cluster.kubectl(['exec', '-n', NAMESPACE, 'asks', '-c', 'c0', '--', 'touch', '/go'])
    await ready('asks')
  })

  test('wait for the start', async () => {
    await create('starts', {
      container: {
        ...sh('sleep 0.5; touch /started; sleep 1000'),
        startupProbe: {
          exec: { command: ['test', '-e', '/started'] },
          periodSeconds: 1,
          failureThreshold: 30,
        },
        livenessProbe: {
          exec: { command: ['test', '-e', '/started'] },
          periodSeconds: 1,
          failureThreshold: 1,
        },
      },
    })
    const pod = await ready('starts')
    assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 0)
  })

  test('are not all: a gate of the pod counts too', async () => {
    const type = 'example.com/balancer'
    await create('gated', { readinessGates: [{ conditionType: type }], container: sh('sleep 1000') })
    const pod = await waitFor('gated', ({ status }) => status?.containerStatuses?.[0]?.ready)
    assert.equal(isReady(pod), false)
    const patch = { status: { conditions: [{ type, status: 'True' }] } }
    const name = { namespace: NAMESPACE, name: 'gated' }
    await cluster.client.patch(PODS, name, 'strategic', patch, { subresource: 'status' })
    const { status } = await ready('gated')
    assert.equal(status?.conditions?.find((each) => each.type === type)?.status, 'True')
  })

  test('that never end are ended', async () => {
    await create('hangs', {
      container: {
        ...sh('sleep 1000'),
        readinessProbe: { exec: { command: ['sleep', '1000'] }, periodSeconds: 1, timeoutSeconds: 1 },
      },
    })
    await cluster.objects.until('an event', async () =>
      /Readiness probe failed: timed out after 1000 ms/.test(await events('hangs')),
    )
  })
})

describe('a container that ends', { concurrency: 8 }, () => {
  test('runs again, at once and then later', async () => {
    await create('crashes', { container: sh('echo run; echo why > /dev/termination-log; exit 3') })
    const pod = await waitFor('crashes', ({ status }) => JSON.stringify(status).includes('CrashLoopBackOff'))
    const [status] = pod.status?.containerStatuses ?? []
    assert.equal(status?.restartCount, 1)
    assert.deepEqual(
      [lastEnd(pod)?.exitCode, lastEnd(pod)?.reason, lastEnd(pod)?.message],
      [3, 'Error', 'why\n'],
    )
    assert.match(JSON.stringify(status?.state), /back-off [0-9]+s restarting failed container=c0/)
    assert.equal(pod.status?.phase, 'Running')
    assert.ok((await remove('crashes')) < 5000, 'a waiting container does not hold up the end')
  })

  test('well, is done', async () => {
    await create('done', { restartPolicy: 'OnFailure', container: sh('exit 0') })
    const pod = await waitFor('done', ({ status }) => status?.phase === 'Succeeded')
    const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
    assert.deepEqual([ready?.status, ready?.reason], ['False', 'PodCompleted'])
    await remove('done')
  })

  test('badly, has failed', async () => {
    await create('failed', { restartPolicy: 'Never', container: sh('kill -9 $$$$; sleep 0.1; exit 4') })
    await waitFor('failed', ({ status }) => status?.phase === 'Failed')
  })

  test('by a signal from outside, runs again', async () => {
    await create('killed', { container: { image: 'backend' } })
    const pod = await ready('killed')
    await cluster.faults.signalContainer(pod as unknown as PodObject, 'c0', 'SIGKILL')
    const again = await waitFor(
      'killed',
      (each) => each.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(each),
    )
    assert.deepEqual([lastEnd(again)?.exitCode, lastEnd(again)?.reason], [137, 'Error'])
    assert.equal(again.status?.podIP, pod.status?.podIP)
  })

  test('because its program is not there, says so', async () => {
    await create('none', { restartPolicy: 'Never', container: { command: ['/no/such/program'] } })
    const pod = await waitFor('none', ({ status }) => status?.phase === 'Failed')
    const state = pod.status?.containerStatuses?.[0]?.state
    assert.equal(state !== undefined && 'terminated' in state && state.terminated.exitCode, 127)
    assert.match(await logs('none'), /No such file or directory/)
  })

  test('too late for its pod, ends it', async () => {
    await create('deadline', {
      activeDeadlineSeconds: 1,
      container: sh('trap "exit 0" TERM; sleep 1000 & wait'),
    })
    const pod = await waitFor('deadline', ({ status }) => status?.phase === 'Failed')
    assert.equal(pod.status?.reason, 'DeadlineExceeded')
  })
})

describe('init containers', { concurrency: 4 }, () => {
  const volumes = [{ name: 'v', emptyDir: {} }]
  const volumeMounts = [{ name: 'v', mountPath: '/v' }]

  test('run one after another, sidecars stay, and end last', async () => {
    const says = (name: string): string => `echo ${name} >> /v/order`
    const stays = (name: string): string =>
      `${says(`${name} up`)}; trap '${says(`${name} down`)}; exit 0' TERM; sleep 1000 & wait`
    const wanted: Wanted = {
      volumes: [{ name: 'v', hostPath: { path: '/run/init-order', type: 'DirectoryOrCreate' } }],
      terminationGracePeriodSeconds: 10,
      initContainers: [
        { name: 'first', image: 'busybox', ...sh(says('first')), volumeMounts },
        { name: 'side', image: 'busybox', restartPolicy: 'Always', ...sh(stays('side')), volumeMounts },
        { name: 'second', image: 'busybox', ...sh(says('second')), volumeMounts },
      ],
      container: { ...sh(stays('main')), volumeMounts },
    }
    await create('order', wanted)
    const pod = await ready('order')
    assert.deepEqual(
      pod.status?.initContainerStatuses?.map(({ ready }) => ready),
      [true, true, true],
    )
    await remove('order')
    await create('order-reader', {
      ...wanted,
      restartPolicy: 'Never',
      initContainers: [],
      container: { ...sh('cat /v/order'), volumeMounts },
    })
    await waitFor('order-reader', ({ status }) => status?.phase === 'Succeeded')
    const lines = (await logs('order-reader')).trim().split('\n')
    // A sidecar counts as started when its process is; what it does then runs beside the next one.
    assert.deepEqual(
      lines.filter((line) => line !== 'side up'),
      ['first', 'second', 'main up', 'main down', 'side down'],
    )
    assert.ok(lines.indexOf('side up') > 0)
  })

  test('that fail are tried again, and then the others start', async () => {
    await create('retries', {
      volumes,
      initContainers: [
        { name: 'i', image: 'busybox', ...sh('[ -e /v/x ] || { touch /v/x; exit 1; }'), volumeMounts },
      ],
      container: sh('sleep 1000'),
    })
    const pod = await ready('retries')
    assert.equal(pod.status?.initContainerStatuses?.[0]?.restartCount, 1)
  })

  test('that fail for good fail the pod', async () => {
    await create('gives-up', {
      restartPolicy: 'Never',
      initContainers: [{ name: 'i', image: 'busybox', ...sh('exit 1') }],
    })
    const pod = await waitFor('gives-up', ({ status }) => status?.phase === 'Failed')
    const state = pod.status?.containerStatuses?.[0]?.state
    assert.deepEqual(state, { waiting: { reason: 'PodInitializing' } })
  })
})

describe('a pod that is deleted', { concurrency: 8 }, () => {
  test('serves on while it ends, and is there until then', async () => {
    const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 }
    await create('serves', {
      terminationGracePeriodSeconds: 20,
      container: { image: 'backend', env: [{ name: 'SHUTDOWN_MS', value: '1500' }], readinessProbe: probe },
    })
    const pod = await ready('serves')
    const startedAt = performance.now()
    const gone = remove('serves')
    const ending = await waitFor('serves', ({ metadata }) => metadata.deletionTimestamp !== undefined)
    assert.equal(isReady(ending), true, 'endpoints of it are terminating and serving')
    let answers = 0
    for (;;) {
      const answer = await ask(pod, '/').catch(() => undefined)
      if (answer === undefined) break
      assert.equal(answer.status, 200)
      answers++
    }
    const servedMs = performance.now() - startedAt
    assert.ok(servedMs > 1400 && answers > 5, `${answers} answers in ${servedMs} ms`)
    await gone
    await assert.rejects(cluster.client.get(PODS, { namespace: NAMESPACE, name: 'serves' }), /not found/)
  })

  test('that does not hear is killed when its time is over', async () => {
    await create('deaf', {
      terminationGracePeriodSeconds: 2,
      container: sh('trap "" TERM; sleep 1000 & wait'),
    })
    await ready('deaf')
    const ms = await remove('deaf')
    assert.ok(ms > 1900 && ms < 6000, `${ms} ms`)
  })

  test('at once, is ended at once', async () => {
    await create('now', {
      terminationGracePeriodSeconds: 600,
      container: sh('trap "" TERM; sleep 1000 & wait'),
    })
    await ready('now')
    const waiting = remove('now')
    await waitFor('now', ({ metadata }) => metadata.deletionTimestamp !== undefined)
    assert.ok((await remove('now', '--now')) < 6000)
    await waiting
  })

  test('runs its hooks', async () => {
    const volumeMounts = [{ name: 'v', mountPath: '/v' }]
    const volumes = [{ name: 'v', hostPath: { path: '/run/hooks', type: 'DirectoryOrCreate' } }]
    const says = (text: string) => ({ exec: { command: ['sh', '-c', `echo ${text} >> /v/hooks`] } })
    await create('hooks', {
      volumes,
      terminationGracePeriodSeconds: 10,
      container: {
        ...sh('trap "echo term >> /v/hooks; exit 0" TERM; sleep 1000 & wait'),
        volumeMounts,
        lifecycle: { postStart: says('started'), preStop: says('stopping') },
      },
    })
    await ready('hooks')
    await remove('hooks')
    await create('hooks-reader', {
      volumes,
      restartPolicy: 'Never',
      container: { ...sh('cat /v/hooks'), volumeMounts },
    })
    await waitFor('hooks-reader', ({ status }) => status?.phase === 'Succeeded')
    assert.equal(await logs('hooks-reader'), 'started\nstopping\nterm\n')
  })

  test('gives its network back', async () => {
    await create('network', { container: sh('sleep 1000') })
    const { metadata } = await ready('network')
    const [nsenter, flag] = cluster.inNetworkOf({ podUid: metadata.uid })
    assert.equal(nsenter, 'nsenter')
    const path = flag.replace('--net=', '')
    assert.equal(existsSync(path), true)
    await remove('network', '--grace-period=1')
    assert.equal(existsSync(path), false)
  })
})

test('ten pods at once are ready soon, and their namespace ends', async (t) => {
  await cluster.objects.createNamespace('many')
  const startedAt = performance.now()
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`)
  await Promise.all(
    names.map(async (name) => {
      const object = podObject(name, {
        container: sh('trap "exit 0" TERM; sleep 1000 & wait'),
      }) as { metadata: object }
      await cluster.objects.apply([{ ...object, metadata: { name, namespace: 'many' } }])
    }),
  )
  await Promise.all(names.map(async (name) => cluster.objects.waitForPod({ namespace: 'many', name })))
  const readyMs = Math.round(performance.now() - startedAt)
  const deletedAt = performance.now()
  await cluster.client.delete(NAMESPACES, { name: 'many' })
  await cluster.objects.waitUntilGone(NAMESPACES, { name: 'many' })
  t.diagnostic(
    `10 pods ready after ${readyMs} ms; their namespace gone after ${Math.round(performance.now() - deletedAt)} ms`,
  )
  assert.ok(readyMs < 10_000, `${readyMs} ms`)
})
