/** Manifests that tests need again and again. */

export interface PathRule {
  readonly path?: string
  readonly pathType?: string
  readonly service: string
  readonly port?: number
}

export interface IngressOptions {
  readonly name?: string
  readonly namespace?: string
  readonly host?: string
  readonly className?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly paths: readonly PathRule[]
  readonly tls?: { readonly hosts: readonly string[]; readonly secretName: string }
}

/** JSON is YAML: no quoting to get wrong. */
export function ingress(options: IngressOptions): string {
  const { name = 'web', namespace = 'default', host, className, annotations, paths, tls } = options
  return JSON.stringify({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      ...(className === undefined ? {} : { ingressClassName: className }),
      ...(tls === undefined ? {} : { tls: [tls] }),
      rules: [
        {
          ...(host === undefined ? {} : { host }),
          http: {
            paths: paths.map(({ path = '/', pathType = 'Prefix', service, port = 80 }) => ({
              path,
              pathType,
              backend: { service: { name: service, port: { number: port } } },
            })),
          },
        },
      ],
    },
  })
}

/** A Service on port 80 with its ready endpoints (`host:port`), which may listen on ports of their own. */
export function service(name: string, endpoints: readonly string[], namespace = 'default'): string {
  const documents: unknown[] = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { clusterIP: '10.96.0.1', ports: [{ name: 'http', port: 80 }] },
    },
  ]
  endpoints.forEach((endpoint, index) => {
    const [address, port] = endpoint.split(':')
    documents.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${index}`, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: Number(port) }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    })
  })
  return documents.map((document) => JSON.stringify(document)).join('\n---\n')
}

/** An address that refuses: the port of a server that listens on 127.0.0.1 alone. A port let go may be another's at once. */
export function refusingAddress(server: { readonly port: number }): string {
  return `127.77.0.1:${server.port}`
}
