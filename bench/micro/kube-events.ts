/**
 * What one change of endpoints costs control in a large cluster: parsing the line of the watch, reading it into what is
 * held, translating it, and making the message for the workers; and the same for a new Ingress.
 * Run: node bench/micro/kube-events.ts [ingresses] [endpoints of a slice]
 */
import type { WatchEvent } from '#kube/watch-stream.ts'
import type { KubeObject as ApiObject } from '#kube/objects.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { RuntimeConfig } from '#proxy/control/runtime-config.ts'
import { UpstreamSlots } from '#proxy/upstream/slots.ts'
import { KubernetesTranslator } from '#providers/kubernetes/translator.ts'
import { ClusterObject, ObjectReader, type HeldObject } from '#providers/kubernetes-ingress/held-object.ts'

const INGRESSES = Number(process.argv[2] ?? 10_000)
const ENDPOINTS = Number(process.argv[3] ?? 5)
const EVENTS = 4000
const WARM_UP = 1000

const strings = new Map<string, string>()
const readers = {
  Ingress: new ObjectReader('Ingress', 'networking.k8s.io/v1', strings),
  Service: new ObjectReader('Service', 'v1', strings),
  EndpointSlice: new ObjectReader('EndpointSlice', 'discovery.k8s.io/v1', strings),
}
const held = new Map<string, HeldObject>()
const allocator = new SlotAllocator({ onSlab: () => undefined })
const runtime = new RuntimeConfig(allocator, new UpstreamSlots(allocator, 1), ['web'], Date.now)
const translator = new KubernetesTranslator({
  providerName: 'kubernetes',
  classes: { kind: 'cluster', controller: 'x', isClasslessServed: true },
  isCluster: true,
  backends: () => [],
})

function ingressText(index: number, version: number): string {
  return JSON.stringify({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadata(`web-${index}`, version),
    spec: {
      rules: [
        {
          host: `host-${index}.example`,
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: `app-${index % INGRESSES}`, port: { number: 80 } } },
              },
            ],
          },
        },
      ],
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
  })
}

function serviceText(index: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(`app-${index}`, 1),
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.1.1',
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  })
}

function sliceText(index: number, version: number): string {
  return JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata(`app-${index}-x`, version),
      labels: { 'kubernetes.io/service-name': `app-${index}`, 'endpointslice.kubernetes.io/managed-by': 'x' },
    },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: ENDPOINTS }, (_, i) => ({
      addresses: [`10.${version % 200}.${i >> 8}.${i & 255}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${i % 100}.cluster.example`,
      zone: `zone-${i % 3}`,
      targetRef: { kind: 'Pod', namespace: 'shop', name: `app-${index}-${i}`, uid: `uid-${index}-${i}` },
    })),
  })
}

function metadata(name: string, version: number): object {
  return {
    name,
    namespace: 'shop',
    uid: `uid-${name}`,
    resourceVersion: String(version),
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [{ manager: 'kube-controller-manager', operation: 'Update', fieldsV1: { 'f:spec': {} } }],
  }
}

/** Milliseconds of parsing, reading, translation and resolution. */
function event(text: string): [number, number, number, number] {
  const start = performance.now()
  const { object } = JSON.parse(`{"type":"MODIFIED","object":${text}}`) as WatchEvent<ApiObject>
  const parsed = performance.now()
  const reader = readers[object.kind as keyof typeof readers]
  const key = `${object.kind}/${object.metadata.name}`
  const result = reader.read(object, held.get(key))
  if (result.held === undefined) throw new Error(result.problem.message)
  held.set(key, result.held)
  const read = performance.now()
  const { delta } = translator.apply({ set: [new ClusterObject(result.held)], remove: [] })
  const translated = performance.now()
  runtime.apply(delta)
  const end = performance.now()
  return [parsed - start, read - parsed, translated - read, end - translated]
}

function report(name: string, samples: readonly (readonly number[])[]): void {
  const quantile = (values: readonly number[], share: number): string => {
    const sorted = values.toSorted((a, b) => a - b)
    return ((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1000).toFixed(0)
  }
  const column = (index: number): readonly number[] => samples.map((sample) => sample[index] ?? 0)
  const sums = samples.map((sample) => sample.reduce((sum, value) => sum + value, 0))
  const parts = ['parse', 'read', 'translate', 'resolve'].map(
    (part, index) => `${part} ${quantile(column(index), 0.5)}`,
  )
  console.log(
    `${name.padEnd(24)} µs: ${parts.join(', ')}; all p50 ${quantile(sums, 0.5)}, p99 ${quantile(sums, 0.99)}, max ${quantile(sums, 1)}`,
  )
}

const begin = performance.now()
for (let i = 0; i < INGRESSES; i++) {
  event(serviceText(i))
  event(sliceText(i, 1))
  event(ingressText(i, 1))
}
console.log(
  `${INGRESSES} Ingresses, ${ENDPOINTS} endpoints in a slice, one by one: ${(performance.now() - begin).toFixed(0)} ms`,
)

for (const [name, textOf] of [
  ['a slice changes', (i: number) => sliceText(i % INGRESSES, i + 2)],
  ['an Ingress is new', (i: number) => ingressText(INGRESSES + i, 1)],
] as const) {
  const samples: (readonly number[])[] = []
  for (let i = 0; i < WARM_UP + EVENTS; i++) {
    const sample = event(textOf(i * 7))
    if (i >= WARM_UP) samples.push(sample)
  }
  report(name, samples)
}
