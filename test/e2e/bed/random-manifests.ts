/**
 * Random manifests for tests that compare two readings of them: hosts, paths, annotations and Services that overlap,
 * contradict each other and are wrong now and then. The same seed gives the same text.
 */
import type { Random } from '../../fuzz/random.ts'

export interface RandomManifests {
  /** One document a line, so that a mismatch can be looked up. */
  readonly text: string
  /** Hosts that rules name, wildcards too. */
  readonly hosts: readonly string[]
  /** Paths that rules name, expressions too. */
  readonly paths: readonly string[]
}

/** A Secret with a certificate, made once because keys take time. */
export interface NamedCertificate {
  readonly certificate: string
  readonly key: string
}

export interface RandomManifestsOptions {
  /** `host:port` of servers that live. */
  readonly servers: readonly string[]
  readonly certificates: readonly NamedCertificate[]
}

const NAMESPACES = ['red', 'blue']
const SERVICES = ['one', 'two', 'three', 'four', 'empty', 'ending', 'missing']
const HOSTS = [
  'a.example',
  'A.Example',
  'b.example',
  'c.b.example',
  'deep.c.b.example',
  '*.example',
  '*.b.example',
  '*.a.example',
  '*.c.b.example',
  'xn--bcher-kva.example',
  '',
  'bad_host',
  '10.0.0.1',
]
const LITERAL_PATHS = [
  '/',
  '/a',
  '/a/',
  '/a/b',
  '/a/b/',
  '/a/b/c',
  '/ab',
  '/A',
  '/a.b',
  '/a;v=1',
  '/a b',
  '/a%20b',
  '/é',
  '/a//b',
  '/a%2Fb',
  '/app',
  '/old/app',
  '/.well-known/acme-challenge/x',
  '/x/y/z/long/path',
]
const WRONG_PATHS = ['', 'a', '/a/../b', '/%zz', '/a[', '/(?=a)']
const REGEX_PATHS = [
  '/a(/|$)(.*)',
  '/(.*)',
  '/a/[0-9]+',
  '/a/(b|c)/(.*)',
  '/app/.*',
  '/(a|ab)$',
  '/x/?',
  '/old/(.*)/z',
]
const TYPES = ['Exact', 'Prefix', 'ImplementationSpecific']
const REWRITES = ['/', '/x', '/$1', '/x/$2', '/$2/$1', '/a', '/r?q=1', 'x', '/$9', 'https://other.example/']
const DAYS = ['2020-01-01T00:00:00Z', '2021-01-01T00:00:00Z', '2022-01-01T00:00:00Z']

const NGINX = 'nginx.ingress.kubernetes.io/'
const OLD = 'ingress.kubernetes.io/'
const TRAEFIK = 'traefik.ingress.kubernetes.io/'

/** Annotation, values, and how seldom it stands. */
const ANNOTATIONS: readonly (readonly [name: string, values: readonly string[], onceIn: number])[] = [
  [`${NGINX}rewrite-target`, REWRITES, 5],
  [`${OLD}rewrite-target`, REWRITES, 10],
  [`${NGINX}use-regex`, ['true', 'true', 'false', 'yes'], 5],
  [`${NGINX}app-root`, ['/app', '/a/b?x=1', '//evil.example', 'app', '/é'], 8],
  [`${NGINX}ssl-redirect`, ['true', 'false', 'maybe'], 6],
  [`${NGINX}force-ssl-redirect`, ['true', 'false', 'maybe'], 10],
  [`${NGINX}backend-protocol`, ['HTTP', 'GRPC', 'nonsense'], 15],
  [`${NGINX}load-balance`, ['round_robin', 'least_conn', 'ip_hash', 'ewma', 'nonsense'], 8],
  [`${NGINX}upstream-hash-by`, ['$request_uri', '$host$uri', '$nothing'], 10],
  [`${NGINX}affinity`, ['cookie', 'nonsense'], 10],
  [`${NGINX}proxy-body-size`, ['1k', '0', 'much'], 10],
  [`${NGINX}canary`, ['true', 'false'], 20],
  [`${NGINX}auth-type`, ['basic'], 20],
  [`${NGINX}auth-url`, ['http://auth.example/'], 25],
  [`${NGINX}whitelist-source-range`, ['10.0.0.0/8'], 25],
  [`${NGINX}limit-rps`, ['10', '0'], 25],
  [`${NGINX}satisfy`, ['any'], 30],
  [`${NGINX}enable-modsecurity`, ['true', 'false'], 25],
  [`${NGINX}enable-cors`, ['true'], 20],
  [`${TRAEFIK}router.entrypoints`, ['web', 'websecure', 'web, websecure', 'nowhere'], 12],
  [`${TRAEFIK}router.tls`, ['true', 'false'], 15],
  [`${TRAEFIK}router.middlewares`, ['red-auth@kubernetescrd'], 30],
]

export function randomManifests(random: Random, options: RandomManifestsOptions): RandomManifests {
  const hosts = new Set<string>()
  const paths = new Set<string>()
  const documents: unknown[] = [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'edge' },
      spec: { controller: random.once(2) ? 'k8s.io/ingress-nginx' : 'example.com/edge' },
    },
    ...services(random, options.servers),
    ...secrets(random, options.certificates),
  ]
  const count = 3 + random.below(12)
  for (let index = 0; index < count; index++) documents.push(ingress(random, index, hosts, paths))
  return {
    text: documents.map((document) => JSON.stringify(document)).join('\n---\n'),
    hosts: [...hosts],
    paths: [...paths],
  }
}

function services(random: Random, servers: readonly string[]): unknown[] {
  const documents: unknown[] = []
  let slice = 0
  for (const namespace of NAMESPACES) {
    for (const name of SERVICES) {
      if (name === 'missing') continue
      const ports = [
        { name: 'http', port: 80 },
        { name: 'alt', port: 8080 },
      ]
      documents.push({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { clusterIP: '10.96.0.1', ports },
      })
      if (name === 'empty') continue
      for (const port of ports) {
        for (let left = 1 + random.below(3); left > 0; left--) {
          const [address, number] = random.pick(servers).split(':')
          const isEnding = name === 'ending' && !random.once(3)
          documents.push({
            apiVersion: 'discovery.k8s.io/v1',
            kind: 'EndpointSlice',
            metadata: {
              name: `slice-${slice++}`,
              namespace,
              labels: { 'kubernetes.io/service-name': name },
            },
            addressType: 'IPv4',
            ports: [{ name: port.name, port: Number(number) }],
            endpoints: [
              {
                addresses: [address],
                conditions: isEnding
                  ? { ready: false, serving: random.once(2), terminating: true }
                  : { ready: true },
              },
            ],
          })
        }
      }
    }
  }
  return documents
}

function secrets(random: Random, certificates: readonly NamedCertificate[]): unknown[] {
  return NAMESPACES.flatMap((namespace) =>
    ['tls-0', 'tls-1'].map((name) => {
      const { certificate, key } = random.pick(certificates)
      return {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/tls',
        metadata: { name, namespace },
        stringData: { 'tls.crt': certificate, 'tls.key': key },
      }
    }),
  )
}

function ingress(random: Random, index: number, hosts: Set<string>, paths: Set<string>): unknown {
  const isOld = random.once(6)
  const annotations: Record<string, string> = {}
  // Many at once would leave few routes that are plainly served.
  const isPlain = random.once(3)
  for (const [name, values, onceIn] of ANNOTATIONS) {
    if (!isPlain && random.once(onceIn)) annotations[name] = random.pick(values)
  }
  const className = random.pick(['', '', 'nginx', 'edge', 'other'])
  if (className !== '' && random.once(3)) annotations['kubernetes.io/ingress.class'] = className
  const backend = (): unknown => (isOld ? oldBackend(random) : newBackend(random))
  const ownHosts = Array.from({ length: random.below(4) }, () => random.pick(HOSTS))
  for (const host of ownHosts) if (host !== '') hosts.add(host)
  const rules = ownHosts.map((host) => ({
    ...(host === '' ? {} : { host }),
    http: {
      paths: Array.from({ length: 1 + random.below(4) }, () => {
        const path = pathOf(random, annotations)
        paths.add(path)
        const type = random.pick(TYPES)
        return {
          path,
          ...(isOld && random.once(2) ? {} : { pathType: random.once(60) ? 'Nonsense' : type }),
          backend: backend(),
        }
      }),
    },
  }))
  const hasDefault = random.once(5)
  return {
    apiVersion: isOld
      ? random.pick(['extensions/v1beta1', 'networking.k8s.io/v1beta1'])
      : 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: `i${index}`,
      namespace: random.pick(NAMESPACES),
      annotations,
      ...(random.once(2) ? { creationTimestamp: random.pick(DAYS) } : {}),
    },
    spec: {
      ...(className === '' || random.once(2) ? {} : { ingressClassName: className }),
      ...(hasDefault ? { [isOld ? 'backend' : 'defaultBackend']: backend() } : {}),
      ...(random.once(3) ? { tls: tls(random, ownHosts) } : {}),
      ...(rules.length === 0 ? {} : { rules }),
    },
  }
}

function pathOf(random: Random, annotations: Readonly<Record<string, string>>): string {
  if (random.once(30)) return random.pick(WRONG_PATHS)
  const isRegex = `${NGINX}use-regex` in annotations || `${NGINX}rewrite-target` in annotations
  return random.once(isRegex ? 2 : 12) ? random.pick(REGEX_PATHS) : random.pick(LITERAL_PATHS)
}

function tls(random: Random, hosts: readonly string[]): unknown[] {
  const named = hosts.filter((host) => host !== '')
  return [
    {
      ...(random.once(5) ? {} : { hosts: named }),
      ...(random.once(5) ? {} : { secretName: random.pick(['tls-0', 'tls-1', 'tls-missing']) }),
    },
  ]
}

function newBackend(random: Random): unknown {
  if (random.once(40)) return { resource: { apiGroup: 'x.example', kind: 'Bucket', name: 'b' } }
  const port = random.pick([{ number: 80 }, { number: 80 }, { name: 'alt' }, { number: 8080 }])
  return {
    service: {
      name: serviceName(random),
      port: random.once(25) ? random.pick([{ number: 81 }, { name: 'none' }, {}]) : port,
    },
  }
}

function oldBackend(random: Random): unknown {
  const servicePort = random.once(25)
    ? random.pick([81, 'none', ''])
    : random.pick([80, 'http', '8080', 'alt'])
  return { serviceName: serviceName(random), servicePort }
}

function serviceName(random: Random): string {
  return random.once(4) ? random.pick(SERVICES) : random.pick(SERVICES.slice(0, 4))
}
