/** For tests: objects as an API server has them, and a clock that runs fast, for what takes seconds otherwise. */
import type { FakeObject } from '#kube/fake-api-server.fixture.ts'
import type { Timers } from '#kube/timers.ts'

export const INGRESS_COLLECTION = 'apis/networking.k8s.io/v1/ingresses'
export const CLASS_COLLECTION = 'apis/networking.k8s.io/v1/ingressclasses'
export const SLICE_COLLECTION = 'apis/discovery.k8s.io/v1/endpointslices'
export const SERVICE_COLLECTION = 'api/v1/services'
export const SECRET_COLLECTION = 'api/v1/secrets'
export const CONFIG_MAP_COLLECTION = 'api/v1/configmaps'
export const NAMESPACE_COLLECTION = 'api/v1/namespaces'

/** Lists and watches of a cluster that is watched as a whole. */
export const WATCHES = 5

const SPEED = 20

/** Everything that waits does so for a twentieth of its time. */
export const FAST_TIMERS: Timers = {
  now: () => performance.now() * SPEED,
  wall: () => Math.floor((performance.timeOrigin + performance.now()) * SPEED),
  random: () => 0,
  after(ms, callback) {
    const timer = setTimeout(callback, ms / SPEED)
    return () => clearTimeout(timer)
  },
}

export interface IngressOptions {
  readonly namespace?: string
  readonly host?: string
  readonly path?: string
  readonly service?: string
  readonly secret?: string
  readonly className?: string
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
}

export function ingressOf(name: string, options: IngressOptions = {}): FakeObject {
  const { namespace = 'shop', host = `${name}.example`, path = '/', service = name } = options
  const { secret, className, labels, annotations } = options
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      namespace,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      ...(className === undefined ? {} : { ingressClassName: className }),
      ...(secret === undefined ? {} : { tls: [{ hosts: [host], secretName: secret }] }),
      rules: [
        {
          host,
          http: {
            paths: [
              { path, pathType: 'Prefix', backend: { service: { name: service, port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  }
}

export function serviceOf(name: string, namespace = 'shop'): FakeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', ports: [{ port: 80, targetPort: 8080 }] },
  }
}

export function sliceOf(
  service: string,
  addresses: readonly string[],
  options: { readonly namespace?: string; readonly name?: string } = {},
): FakeObject {
  const { namespace = 'shop', name = `${service}-1` } = options
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace,
      labels: {
        'kubernetes.io/service-name': service,
        'endpointslice.kubernetes.io/managed-by': 'controller',
      },
    },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      zone: 'zone-a',
    })),
  }
}

export function classOf(
  name: string,
  options: { controller?: string; parameters?: unknown } = {},
): FakeObject {
  const { controller = 'sekisho.dev/ingress-controller', parameters } = options
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name },
    spec: { controller, ...(parameters === undefined ? {} : { parameters }) },
  }
}

/** Not a certificate, but what a Secret with one looks like. */
export function secretOf(name: string, certificate = 'cert', namespace = 'shop'): FakeObject {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(certificate), 'tls.key': base64('key') },
  }
}

export function namespaceOf(name: string, labels: Record<string, string> = {}): FakeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

export function configMapOf(name: string, namespace: string, data: Record<string, string>): FakeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }
}
