/** Objects of the scenarios that run against a real API server: Ingresses, each with a Service and an EndpointSlice or all with one. */
import type { KubeObject } from '#kube/objects.ts'
import {
  ENDPOINT_SLICES,
  INGRESS_CLASSES,
  INGRESSES,
  NAMESPACES,
  SERVICES,
} from '../../test/cluster/resources.ts'
import type { KubeClient } from '#kube/client.ts'

const CLASS = 'edge'
const INGRESSES_PER_NAMESPACE = 100
/** Requests under way while objects are made. */
const AT_A_TIME = 24

/** Where endpoints are. */
export interface Backend {
  readonly address: string
  readonly port: number
}

export const hostOf = (index: number): string => `host-${index}.example`
export const ingressName = (index: number): string => `web-${index}`
export const serviceName = (index: number): string => `app-${index}`
export const sharedService = (index: number): string => serviceName(index - (index % INGRESSES_PER_NAMESPACE))
export const sliceName = (index: number): string => `${serviceName(index)}-1`
export const namespaceOf = (index: number): string => `team-${Math.floor(index / INGRESSES_PER_NAMESPACE)}`

export function ingress(index: number, service = serviceName(index)): KubeObject {
  const backend = { service: { name: service, port: { number: 80 } } }
  return {
    metadata: { name: ingressName(index), namespace: namespaceOf(index) },
    spec: {
      ingressClassName: CLASS,
      rules: [{ host: hostOf(index), http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  } as KubeObject
}

export function slice(index: number, { address, port }: Backend): KubeObject {
  return {
    metadata: {
      name: sliceName(index),
      namespace: namespaceOf(index),
      labels: { 'kubernetes.io/service-name': serviceName(index) },
    },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  } as KubeObject
}

function service(index: number): KubeObject {
  return {
    metadata: { name: serviceName(index), namespace: namespaceOf(index) },
    // No address of the cluster: there are only 65,534, and nobody asks for one.
    spec: { clusterIP: 'None', ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] },
  } as KubeObject
}

/** The class, and namespaces for so many Ingresses. */
export async function prepare(client: KubeClient, ingresses: number): Promise<void> {
  const spec = { controller: 'sekisho.dev/ingress-controller' }
  await client.create(INGRESS_CLASSES, { metadata: { name: CLASS }, spec } as KubeObject)
  const namespaces = Math.ceil(ingresses / INGRESSES_PER_NAMESPACE)
  await each(namespaces, (index) => client.create(NAMESPACES, { metadata: { name: `team-${index}` } }))
}

/** Service and EndpointSlice of each of so many Ingresses, and these themselves. */
export async function fill(client: KubeClient, count: number, backend: Backend): Promise<void> {
  await each(count, async (index) => {
    await fillService(client, index, backend)
    await client.create(INGRESSES, ingress(index))
  })
}

/** One Service for all Ingresses of a namespace (`sharedService`), and the first Ingress. */
export async function fillServices(client: KubeClient, ingresses: number, backend: Backend): Promise<void> {
  await each(Math.ceil(ingresses / INGRESSES_PER_NAMESPACE), (namespace) =>
    fillService(client, namespace * INGRESSES_PER_NAMESPACE, backend),
  )
  await client.create(INGRESSES, ingress(0))
}

async function fillService(client: KubeClient, index: number, backend: Backend): Promise<void> {
  await client.create(SERVICES, service(index))
  await client.create(ENDPOINT_SLICES, slice(index, backend))
}

async function each(count: number, make: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const line = async (): Promise<void> => {
    while (next < count) await make(next++)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, line))
}
