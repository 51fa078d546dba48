/**
 * The real control plane of a test cluster: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, on the
 * underlay network of the cluster. Runs inside of the host process, which makes the network first. Programs can be killed,
 * started again, held and let go, for tests of what clients do then.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { API_PORT, SERVICE_CIDRS, type AddressPlan } from './address-plan.ts'
import type { ClusterCredentials } from './credentials.ts'
import { ManagedProcess } from './managed-process.ts'
import { retryUntil } from './retry-until.ts'

const ETCD_URL = 'http://127.0.0.1:2379'
const ETCD_PEER_URL = 'http://127.0.0.1:2380'
const START_MS = 60_000

export const CONTROL_PLANE_PROGRAMS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
] as const
export type ControlPlaneProgram = (typeof CONTROL_PLANE_PROGRAMS)[number]

export interface ControlPlaneOptions {
  readonly plan: AddressPlan
  readonly credentials: ClusterCredentials
  /** Where the programs are. */
  readonly bin: string
  /** For etcd's data. */
  readonly directory: string
  readonly logs: string
  /** Flags for the API server, behind ours. */
  readonly apiServerFlags: readonly string[]
  /** A program ended by itself. */
  readonly onEnd: (text: string) => void
}

export class ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #programs: Readonly<Record<ControlPlaneProgram, ManagedProcess>>

  constructor(options: ControlPlaneOptions) {
    this.#options = options
    mkdirSync(options.directory, { recursive: true })
    const program = (name: ControlPlaneProgram, flags: readonly string[]) =>
      new ManagedProcess({
        name,
        command: [join(options.bin, name), ...flags],
        logFile: join(options.logs, `${name}.log`),
        onEnd: options.onEnd,
      })
    this.#programs = {
      etcd: program('etcd', etcdFlags(options.directory)),
      'kube-apiserver': program('kube-apiserver', apiServerFlags(options)),
      'kube-controller-manager': program('kube-controller-manager', controllerManagerFlags(options)),
      'kube-scheduler': program('kube-scheduler', clientFlags(options)),
    }
  }

  /** Store and API server; resolves when the API server answers its administrator. */
  async startApi(): Promise<void> {
    this.#programs.etcd.start()
    // It tries until etcd is there.
    this.#programs['kube-apiserver'].start()
    await this.isAnswering('/livez')
  }

  startControllers(): void {
    this.#programs['kube-controller-manager'].start()
    this.#programs['kube-scheduler'].start()
  }

  start(name: ControlPlaneProgram): void {
    this.#programs[name].start()
  }

  stop(name: ControlPlaneProgram, signal: NodeJS.Signals): Promise<void> {
    return this.#programs[name].stop(signal)
  }

  pause(name: ControlPlaneProgram): void {
    this.#programs[name].pause()
  }

  resume(name: ControlPlaneProgram): void {
    this.#programs[name].resume()
  }

  /** Resolves when `/livez` or `/readyz` of the API server answers 200. */
  async isAnswering(path: string): Promise<void> {
    const { request } = await import('node:https')
    const { plan, credentials } = this.#options
    const probe = () =>
      new Promise<boolean>((resolve) => {
        const asked = request(
          {
            host: plan.controlPlane[0],
            port: API_PORT,
            path,
            ca: credentials.authority,
            agent: false,
            timeout: 1000,
          },
          (response) => {
            response.resume()
            resolve(response.statusCode === 200)
          },
        )
        asked.once('timeout', () => asked.destroy())
        asked.once('error', () => resolve(false))
        asked.end()
      })
    await retryUntil(`the API server answers on ${path}`, probe, START_MS)
  }

  /** Forgets all revisions of etcd but the present one: the API server cannot go on from older ones (410). */
  async compact(): Promise<void> {
    const range = await etcdCall<{ header: { revision: string } }>('/v3/kv/range', { key: 'YQ==' })
    await etcdCall('/v3/kv/compaction', { revision: range.header.revision, physical: true })
  }
}

async function etcdCall<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(ETCD_URL + path, { method: 'POST', body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${text}`)
  return JSON.parse(text) as T
}

function etcdFlags(directory: string): readonly string[] {
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${ETCD_URL}`,
    `--advertise-client-urls=${ETCD_URL}`,
    `--listen-peer-urls=${ETCD_PEER_URL}`,
    `--initial-advertise-peer-urls=${ETCD_PEER_URL}`,
    `--initial-cluster=default=${ETCD_PEER_URL}`,
    // Alone and in memory: nobody to wait for, nothing to lose.
    '--heartbeat-interval=20',
    '--election-timeout=200',
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]
}

function apiServerFlags({ plan, credentials, apiServerFlags }: ControlPlaneOptions): readonly string[] {
  const { files } = credentials
  return [
    `--etcd-servers=${ETCD_URL}`,
    '--bind-address=::',
    `--secure-port=${API_PORT}`,
    `--advertise-address=${plan.controlPlane[0]}`,
    `--tls-cert-file=${files.apiServer.certificate}`,
    `--tls-private-key-file=${files.apiServer.key}`,
    `--token-auth-file=${files.tokens}`,
    '--authorization-mode=RBAC',
    `--service-cluster-ip-range=${SERVICE_CIDRS.join(',')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.serviceAccount.publicKey}`,
    `--service-account-signing-key-file=${files.serviceAccount.privateKey}`,
    `--kubelet-client-certificate=${files.kubeletClient.certificate}`,
    `--kubelet-client-key=${files.kubeletClient.key}`,
    `--kubelet-certificate-authority=${files.authority}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--allow-privileged=true',
    // Webhooks by Service go to an endpoint: no service proxy is needed where the API server runs.
    '--enable-aggregator-routing=true',
    '--enable-priority-and-fairness=false',
    ...apiServerFlags,
  ]
}

function controllerManagerFlags(options: ControlPlaneOptions): readonly string[] {
  const { files } = options.credentials
  return [
    ...clientFlags(options),
    `--service-account-private-key-file=${files.serviceAccount.privateKey}`,
    `--root-ca-file=${files.authority}`,
    // The bed gives each node its ranges.
    '--allocate-node-cidrs=false',
    `--service-cluster-ip-range=${SERVICE_CIDRS.join(',')}`,
    `--cluster-cidr=${options.plan.podCidrs.join(',')}`,
  ]
}

function clientFlags({ credentials }: ControlPlaneOptions): readonly string[] {
  return [
    `--kubeconfig=${credentials.files.kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
  ]
}
