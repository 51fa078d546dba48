/**
 * Ingresses and what they need, in a namespace of a test, and changes to each kind of it, one round after the other: an
 * Ingress comes and the one before goes, a host becomes another one, endpoints move, a certificate is renewed. Whoever serves
 * them is asked whether it is current.
 */
import { ask } from './ask.ts'
import { Authority } from './authority.ts'
import type { Cluster } from './cluster.ts'
import type { PodObject } from './cluster-objects.ts'
import { KubeError } from '#kube/errors.ts'
import { INGRESSES } from './resources.ts'

export const NAMESPACE = 'changing'
/** Those that stay as they are. */
const STEADY = 40
const CLASS = 'sekisho'
const BACKEND_PORT = 8080

export class ChangingWorld {
  readonly #cluster: Cluster
  readonly #pods: readonly PodObject[]
  #round = 0
  /** PEM of who issued the certificate of this round. */
  #authority = ''

  /** `pods`: of the Service `web` of the namespace, images/backend.ts. */
  constructor(cluster: Cluster, pods: readonly PodObject[]) {
    this.#cluster = cluster
    this.#pods = pods
  }

  /** Name of the newest Ingress. */
  get newest(): string {
    return `round-${this.#round}`
  }

  /** Everything for the first time. */
  async create(): Promise<void> {
    const { objects } = this.#cluster
    await objects.apply([
      ingress('web'),
      ...Array.from({ length: STEADY }, (_, index) => ingress(`steady-${index}`)),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: metadata('moving'),
        spec: { ports: [{ name: 'http', port: 80 }] },
      },
      ingress('moving', { service: 'moving' }),
      ingress('secure', { secret: 'secure' }),
    ])
    await this.change()
  }

  /** Once more; tries until the API server has taken everything. */
  async change(): Promise<void> {
    const { objects, client } = this.#cluster
    const round = ++this.#round
    const authority = new Authority(`round ${round}`)
    const { certificate, key } = authority.server('secure', ['secure.example'])
    const changed = [
      ingress(`round-${round}`),
      ingress('turning', { host: `turning-${round}` }),
      this.#slice(),
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadata('secure'),
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': certificate, 'tls.key': key },
      },
    ]
    await objects.until('the API server takes a change', async () => {
      await objects.apply(changed)
      await client
        .delete(INGRESSES, { namespace: NAMESPACE, name: `round-${round - 1}` })
        .catch((error: unknown) => {
          if (!(error instanceof KubeError && error.code === 404)) throw error
        })
      return true
    })
    this.#authority = authority.certificate
  }

  /** Changes without a pause until it is stopped. */
  keepChanging(): { stop(): Promise<void> } {
    const end = new AbortController()
    const going = (async () => {
      while (!end.signal.aborted) await this.change()
    })()
    return {
      stop: () => {
        end.abort()
        return going
      },
    }
  }

  /** Until a gateway with this pod's address serves what there is since the last change, and nothing older. */
  async isServedBy({ metadata: { name }, status }: PodObject): Promise<void> {
    const address = status?.podIP ?? ''
    const isUp = (pod: string): boolean => this.#pods.some(({ metadata }) => metadata.name === pod)
    const get = async (host: string, authority?: string): Promise<string> => {
      const secure = authority === undefined ? {} : { authority }
      const { status: code, body } = await ask({ address, host: `${host}.example`, ...secure })
      return code === 200 ? (JSON.parse(body) as { pod: string }).pod : String(code)
    }
    await this.#cluster.objects.until(`${name} serves what there is`, async () => {
      const [now, past] = [this.#round, this.#round - 1]
      const answers = {
        steady: isUp(await get(`steady-${now % STEADY}`)),
        come: isUp(await get(`round-${now}`)),
        gone: (await get(`round-${past}`)) === '404',
        turned: isUp(await get(`turning-${now}`)),
        'turned away': (await get(`turning-${past}`)) === '404',
        moved: (await get('moving')) === this.#target.metadata.name,
        // Nobody else's is trusted.
        secure: isUp(await get('secure', this.#authority)),
      }
      const wrong = Object.entries(answers).filter(([, isRight]) => !isRight)
      if (wrong.length > 0) throw new Error(`not so: ${wrong.map(([what]) => what).join(', ')}`)
      return true
    })
  }

  /** Which pod the endpoints of `moving` are. */
  get #target(): PodObject {
    return this.#pods[this.#round % this.#pods.length]!
  }

  #slice(): object {
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata('moving-1'), labels: { 'kubernetes.io/service-name': 'moving' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: BACKEND_PORT, protocol: 'TCP' }],
      endpoints: [{ addresses: [this.#target.status?.podIP], conditions: { ready: true } }],
    }
  }
}

interface IngressOptions {
  /** Default: the name of the Ingress. */
  readonly host?: string
  /** Default `web`. */
  readonly service?: string
  readonly secret?: string
}

function metadata(name: string): object {
  return { namespace: NAMESPACE, name }
}

function ingress(name: string, options: IngressOptions = {}): object {
  const { service = 'web', secret } = options
  const host = `${options.host ?? name}.example`
  const backend = { service: { name: service, port: { name: 'http' } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadata(name),
    spec: {
      ingressClassName: CLASS,
      ...(secret === undefined ? {} : { tls: [{ hosts: [host], secretName: secret }] }),
      rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  }
}
