/**
 * An API server in memory for the scenario `kube-sync`, as a process of its own: Ingresses, each with a Service and an
 * EndpointSlice. Told over the channel: `{ changes, rate }` changes that many EndpointSlices at that rate. Tells its port,
 * then `{ done }`. Run: node bench/load/kube-server.ts INGRESSES ENDPOINTS_PER_SERVICE
 */
import { FakeApiServer, type FakeObject } from '#kube/fake-api-server.fixture.ts'

const SLICES = 'apis/discovery.k8s.io/v1/endpointslices'

const [ingresses, endpoints] = process.argv.slice(2).map(Number) as [number, number]

function metadata(name: string): FakeObject['metadata'] {
  return {
    name,
    namespace: 'shop',
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [{ manager: 'kube-controller-manager', operation: 'Update', fieldsV1: { 'f:spec': {} } }],
  }
}

function ingress(index: number): FakeObject {
  const backend = { service: { name: `app-${index}`, port: { number: 80 } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadata(`web-${index}`),
    spec: {
      ingressClassName: 'edge',
      rules: [
        { host: `host-${index}.example`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } },
      ],
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
  }
}

function service(index: number): FakeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(`app-${index}`),
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.96.${(index >> 8) & 255}.${index & 255}`,
      selector: { app: `app-${index}` },
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  }
}

function slice(index: number, round: number): FakeObject {
  const labels = {
    'kubernetes.io/service-name': `app-${index}`,
    'endpointslice.kubernetes.io/managed-by': 'x',
  }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata(`app-${index}-x`), labels },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, i) => ({
      addresses: [`10.${round % 200}.${(index >> 5) & 255}.${((index & 31) << 3) + (i & 7)}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${(index + i) % 100}.cluster.example`,
      zone: `zone-${i % 3}`,
      targetRef: { kind: 'Pod', namespace: 'shop', name: `app-${index}-${i}`, uid: `uid-${index}-${i}` },
    })),
  }
}

async function change(changes: number, rate: number): Promise<void> {
  const begin = performance.now()
  for (let i = 0; i < changes; i++) {
    const dueMs = begin + (i * 1000) / rate - performance.now()
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
    server.put(SLICES, slice((i * 7919) % ingresses, i + 1))
  }
}

const server = await new FakeApiServer().start()
server.put('apis/networking.k8s.io/v1/ingressclasses', {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'edge' },
  spec: { controller: 'sekisho.dev/ingress-controller' },
})
for (let i = 0; i < ingresses; i++) {
  server.put('api/v1/services', service(i))
  server.put(SLICES, slice(i, 0))
  server.put('apis/networking.k8s.io/v1/ingresses', ingress(i))
}
process.on('message', ({ changes, rate }: { changes: number; rate: number }) => {
  void change(changes, rate).then(() => process.send?.({ done: changes }))
})
process.send?.({ port: server.port })
