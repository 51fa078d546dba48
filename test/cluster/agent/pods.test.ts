import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { Cluster } from '../cluster.ts'
import { CONFIG_MAPS, PODS, SECRETS } from '../resources.ts'
import type { ContainerSpec, Pod, PodSpec } from './pod.ts'

const NAMESPACE = 'shop'

let cluster: Cluster
before(async () => {
  cluster = await Cluster.start({ nodes: 1 })
  await cluster.objects.createNamespace(NAMESPACE)
})
after(async () => cluster?.stop())

interface Wanted extends Partial<Omit<PodSpec, 'containers'>> {
  readonly container?: Partial<ContainerSpec>
  readonly labels?: Readonly<Record<string, string>>
}

function podObject(name: string, { container, labels = {}, ...spec }: Wanted): object {
  const main = { name: 'main', image: 'busybox', ...container }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels },
    spec: { terminationGracePeriodSeconds: 1, containers: [main], ...spec },
  }
}

async function create(name: string, wanted: Wanted): Promise<void> {
  await cluster.objects.apply([podObject(name, wanted)])
}

function waitFor(name: string, isSo: (pod: Pod) => boolean | undefined): Promise<Pod> {
  return cluster.objects.waitFor<Pod>(PODS, { namespace: NAMESPACE, name }, isSo, 20_000)
}

async function phase(name: string, wanted: string): Promise<Pod> {
  return waitFor(name, ({ status }) => status?.phase === wanted)
}

/** What the script prints in a pod that is done. */
async function output(
  name: string,
  script: string | readonly string[],
  wanted: Wanted = {},
): Promise<string> {
  const command = typeof script === 'string' ? ['sh', '-c', script] : script
  const container = { ...wanted.container, command }
  await create(name, { restartPolicy: 'Never', ...wanted, container })
  await waitFor(name, ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed')
  return logs(name)
}

async function logs(name: string, ...more: readonly string[]): Promise<string> {
  return cluster.kubectl(['logs', '-n', NAMESPACE, name, ...more])
}

async function events(name: string): Promise<string> {
  return cluster.kubectl(['events', '-n', NAMESPACE, '--for', `pod/${name}`])
}

function stateOf(pod: Pod, index = 0) {
  return pod.status?.containerStatuses?.[index]?.state
}

describe('a container finds', { concurrency: 8 }, () => {
  test('its environment', async () => {
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'env', namespace: NAMESPACE },
        data: { MODE: 'fast', 'a.b': 'c' },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'env', namespace: NAMESPACE },
        stringData: { KEY: 's3cret' },
      },
    ])
    const text = await output('environment', ['env'], {
      labels: { app: 'env' },
      container: {
        env: [
          { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
          { name: 'IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
          { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'env', key: 'KEY' } } },
          { name: 'BOTH', value: '$(NODE)/$(SECRET)' },
        ],
        envFrom: [{ configMapRef: { name: 'env' }, prefix: 'P_' }],
        resources: { limits: { cpu: '250m', memory: '64Mi' } },
      },
    })
    const pod = await phase('environment', 'Succeeded')
    const env = Object.fromEntries<string>(
      text
        .trim()
        .split('\n')
        .map((line): [string, string] => {
          const at = line.indexOf('=')
          return [line.slice(0, at), line.slice(at + 1)]
        }),
    )
    const { APP, IPS, NODE, CPU, SECRET, BOTH, P_MODE, HOSTNAME, KUBERNETES_SERVICE_HOST } = env
    assert.deepEqual(
      [APP, NODE, CPU, SECRET, BOTH, P_MODE, HOSTNAME, KUBERNETES_SERVICE_HOST],
      ['env', 'node-1', '250', 's3cret', 'node-1/s3cret', 'fast', 'environment', '10.96.0.1'],
    )
    assert.equal(env['P_a.b'], 'c', 'names that no shell would keep are there too')
    assert.equal(IPS, pod.status?.podIPs?.map(({ ip }) => ip).join(','))
    assert.equal(pod.status?.podIPs?.length, 2)
  })

  test('its own root, name and processes', async () => {
    const text = await output(
      'system',
      // A dollar is written twice in commands of pods. What runs in the background ends with the first process.
      'hostname; echo $$$$; ls /proc | grep -c "^[0-9]"; echo x > /file; cat /file; test -w /proc/sys/kernel/hostname || echo read-only; echo $(ls /); sleep 1000 & pwd; cat /etc/hosts',
      { container: { workingDir: '/opt/made/here' } },
    )
    const lines = text.trim().split('\n')
    assert.deepEqual(lines.slice(0, 2), ['system', '1'])
    assert.ok(Number(lines[2]) <= 4, `${lines[2]} processes`)
    assert.deepEqual(lines.slice(3, 5), ['x', 'read-only'])
    const usual = ['lib32', 'lib64', 'libx32'].join('|')
    assert.equal(
      lines[5]?.replaceAll(new RegExp(` (${usual})\\b`, 'g'), ''),
      'bin dev etc file home lib mnt opt proc root run sbin sys tmp usr var',
    )
    assert.match(text, /^\/opt\/made\/here$/m)
    assert.match(text, /^100\.\S+\tsystem$/m)
    assert.match(text, /^fd00:\S+\tsystem$/m)
  })

  test('who it is', async () => {
    const script =
      'id -u; id -g; id -G; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; touch /x && echo wrote; touch /tmp/x || echo closed; touch /data/x && stat -c %g /data/x'
    const text = await output('identity', script, {
      securityContext: { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, runAsNonRoot: true },
      volumes: [{ name: 'data', emptyDir: {} }],
      container: {
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        },
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    })
    assert.deepEqual(
      text
        .replaceAll('\t', ' ')
        .split('\n')
        .filter((line) => !line.startsWith('touch')),
      [
        '1000',
        '2000',
        '2000 3000',
        'CapEff: 0000000000000400',
        'CapBnd: 0000000000000400',
        'NoNewPrivs: 1',
        'closed',
        '3000',
        '',
      ],
    )
  })

  test('its volumes', async () => {
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'files', namespace: NAMESPACE },
        data: { one: '1', two: '2' },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'files', namespace: NAMESPACE },
        stringData: { key: 'hidden' },
      },
    ])
    const script = [
      'cat /config/renamed /secret/key; stat -Lc %a /secret/key; grep app /about/labels; cat /about/ns; cat /single/two; echo',
      'echo shared > /scratch/deep/file; cat /scratch/deep/file; ls /config; touch /config/x || echo closed; test -s /token/token && echo token',
      'test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo account; ls /usr/local/bin/machine; test -f /host/hosts && echo host',
    ].join('; ')
    const text = await output('volumes', script, {
      labels: { app: 'v' },
      volumes: [
        { name: 'config', configMap: { name: 'files', items: [{ key: 'one', path: 'renamed' }] } },
        { name: 'whole', configMap: { name: 'files' } },
        { name: 'secret', secret: { secretName: 'files', defaultMode: 0o400 } },
        {
          name: 'about',
          downwardAPI: {
            items: [
              { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
              { path: 'ns', fieldRef: { fieldPath: 'metadata.namespace' } },
            ],
          },
        },
        {
          name: 'token',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token', audience: 'somebody', expirationSeconds: 600 } },
            ],
          },
        },
        { name: 'scratch', emptyDir: { medium: 'Memory' } },
        { name: 'host', hostPath: { path: '/etc' } },
      ],
      container: {
        volumeMounts: [
          { name: 'config', mountPath: '/config' },
          { name: 'secret', mountPath: '/secret' },
          { name: 'about', mountPath: '/about' },
          { name: 'token', mountPath: '/token' },
          { name: 'scratch', mountPath: '/scratch' },
          { name: 'scratch', mountPath: '/scratch/deep', subPath: 'below/it' },
          { name: 'whole', mountPath: '/single/two', subPath: 'two' },
          { name: 'scratch', mountPath: '/usr/local/bin/machine', subPath: 'below' },
          { name: 'host', mountPath: '/host', readOnly: true },
        ],
      },
    })
    assert.deepEqual(
      text.split('\n').filter((line) => !line.startsWith('touch')),
      ['1hidden400', 'app="v"', 'shop2', 'shared', 'renamed', 'closed', 'token', 'account', 'it', 'host', ''],
    )
  })

  test('a port below 1024 open to it, where the network of its pod says so', async () => {
    const text = await output('sysctl', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start', {
      securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }] },
    })
    assert.equal(text, '80\n')
  })

  test('the network of its node, when it asks for it', async () => {
    const text = await output('host-network', 'hostname; cat /proc/net/fib_trie | grep -c 198.18', {
      hostNetwork: true,
    })
    const pod = await phase('host-network', 'Succeeded')
    assert.match(text, /^node-1\n[1-9]/)
    assert.equal(pod.status?.podIP, pod.status?.hostIP)
  })
})

describe('a pod', { concurrency: 8 }, () => {
  test('with an image that is not there waits and says so', async () => {
    await create('no-image', { container: { image: 'registry.example/none:v1' } })
    const pod = await waitFor('no-image', (each) => {
      const state = stateOf(each)
      return state !== undefined && 'waiting' in state && state.waiting.reason === 'ImagePullBackOff'
    })
    assert.match(JSON.stringify(stateOf(pod)), /is not one of the test bed's \(backend, busybox/)
    assert.equal(pod.status?.phase, 'Pending')
    assert.match(
      await events('no-image'),
      /Warning\s+Failed .*Failed to pull image "registry.example\/none:v1"/,
    )
    await cluster.objects.delete([podObject('no-image', {})])
  })

  test('with a volume that is not supported waits and says so', async () => {
    await create('no-volume', { volumes: [{ name: 'disk', nfs: { server: 'a', path: '/' } } as never] })
    await cluster.objects.until('an event', async () =>
      /FailedMount.*nfs is not supported/.test(await events('no-volume')),
    )
    const pod = await phase('no-volume', 'Pending')
    assert.deepEqual(stateOf(pod), { waiting: { reason: 'ContainerCreating' } })
    await cluster.objects.delete([podObject('no-volume', {})])
  })

  test('starts when the Secret that it needs comes', async () => {
    await create('late', {
      volumes: [{ name: 'keys', secret: { secretName: 'late' } }],
      restartPolicy: 'Never',
      container: { command: ['cat', '/keys/key'], volumeMounts: [{ name: 'keys', mountPath: '/keys' }] },
    })
    await cluster.objects.until('an event', async () =>
      /FailedMount.*secret "late" not found/.test(await events('late')),
    )
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'late', namespace: NAMESPACE },
        stringData: { key: 'came' },
      },
    ])
    await phase('late', 'Succeeded')
    assert.equal(await logs('late'), 'came')
  })

  test('that names a key that is not there says so, and starts when it comes', async () => {
    await create('late-env', {
      restartPolicy: 'Never',
      container: {
        command: ['printenv', 'X'],
        env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'late', key: 'x' } } }],
      },
    })
    await waitFor('late-env', (each) =>
      JSON.stringify(stateOf(each))?.includes('configmap \\"late\\" not found'),
    )
    await cluster.objects.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'late', namespace: NAMESPACE },
        data: { x: 'here' },
      },
    ])
    await phase('late-env', 'Succeeded')
    assert.equal(await logs('late-env'), 'here\n')
  })

  test('sees new content of its ConfigMap and Secret, swapped as a whole', async () => {
    const object = (kind: string, value: string): object => ({
      apiVersion: 'v1',
      kind,
      metadata: { name: 'change', namespace: NAMESPACE },
      [kind === 'Secret' ? 'stringData' : 'data']: { a: value, b: value },
    })
    await cluster.objects.apply([object('ConfigMap', '1'), object('Secret', '1')])
    const volume = {
      projected: {
        sources: [
          { configMap: { name: 'change' } },
          { secret: { name: 'change', items: [{ key: 'a', path: 'key' }] } },
        ],
      },
    }
    await create('change', {
      restartPolicy: 'Never',
      volumes: [{ name: 'v', ...volume }],
      container: {
        command: [
          'sh',
          '-c',
          'cd /v; until [ "$(cat a b key)" = 222 ]; do sleep 0.02; done; ls -A | sort | head -9',
        ],
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
      },
    })
    await phase('change', 'Running')
    await cluster.client.patch(CONFIG_MAPS, { name: 'change', namespace: NAMESPACE }, 'merge', {
      data: { a: '2', b: '2', c: '3' },
    })
    await cluster.client.patch(SECRETS, { name: 'change', namespace: NAMESPACE }, 'merge', {
      stringData: { a: '2' },
    })
    await phase('change', 'Succeeded')
    assert.match(await logs('change'), /^\.\.20\S+\n\.\.data\na\nb\nc\nkey\n$/)
  })

  test('that wants the processes of the node is refused', async () => {
    await create('host-pid', { hostPID: true })
    const pod = await phase('host-pid', 'Failed')
    assert.equal(pod.status?.message, 'hostPID is not supported by this node')
  })
})

describe('kubectl', { concurrency: 4 }, () => {
  before(async () => {
    await create('talks', {
      container: {
        command: [
          'sh',
          '-c',
          'for i in 1 2 3 4 5; do echo line $i; done; trap "echo bye; exit" TERM; sleep 1000 & wait',
        ],
      },
    })
    await waitFor('talks', (pod) => pod.status?.containerStatuses?.[0]?.ready)
    await cluster.objects.until('its lines', async () => (await logs('talks')).includes('line 5'))
  })

  test('reads logs', async () => {
    assert.equal(await logs('talks'), 'line 1\nline 2\nline 3\nline 4\nline 5\n')
    assert.equal(await logs('talks', '--tail=2'), 'line 4\nline 5\n')
    assert.equal(await logs('talks', '--limit-bytes=10'), 'line 1\nlin')
    assert.equal(await logs('talks', '--since-time=2100-01-01T00:00:00Z'), '')
    assert.equal((await logs('talks', '--since=1h')).length, 35)
    const [time = '', ...rest] = (await logs('talks', '--timestamps', '--tail=1')).split(' ')
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time)
    assert.equal(rest.join(' '), 'line 5\n')
  })

  test('follows logs to the end', async () => {
    await create('short', {
      container: { command: ['sh', '-c', 'echo one; sleep 0.3; echo two'] },
      restartPolicy: 'Never',
    })
    await waitFor('short', ({ status }) => status?.phase !== 'Pending')
    assert.equal(await logs('short', '--follow'), 'one\ntwo\n')
  })

  test('says that there was no run before', async () => {
    const { stderr } = await cluster.kubectlOutcome(['logs', '-n', NAMESPACE, 'talks', '--previous'])
    assert.match(stderr, /previous terminated container "main" in pod "talks" not found|has not run before/)
  })

  test('runs commands', async () => {
    const run = async (...words: readonly string[]) =>
      cluster.kubectlOutcome(['exec', '-n', NAMESPACE, 'talks', '-i', '--', ...words], {
        stdin: 'from outside',
      })
    const good = await run('sh', '-c', 'cat; hostname; echo trouble >&2')
    assert.deepEqual([good.code, good.stdout, good.stderr], [0, 'from outsidetalks\n', 'trouble\n'])
    const bad = await run('sh', '-c', 'exit 7')
    assert.deepEqual([bad.code, bad.stderr], [7, 'command terminated with exit code 7\n'])
    const none = await run('/no/such')
    assert.notEqual(none.code, 0)
    assert.match(none.stderr, /No such file/)
  })
})

test('the endpoint of a node answers nobody without a certificate', async () => {
  const [address] = cluster.nodes[0]!.addresses
  for (const path of ['/pods', '/containerLogs/shop/talks/main', '/healthz']) {
    const options = { host: address, port: 10_250, path, rejectUnauthorized: false, agent: false }
    const [response] = (await once(get(options), 'response')) as [IncomingMessage]
    response.resume()
    assert.equal(response.statusCode, 401, path)
  }
})
