/**
 * Keys, certificates and tokens of one test cluster, and the kubeconfig of its administrator. Made anew for each
 * cluster, by one authority; nothing is trusted by skipping a check.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { API_PORT, API_SERVICE, type AddressPlan } from './address-plan.ts'
import { Authority, type Pair } from './authority.ts'

export class ClusterCredentials {
  /** PEM. */
  readonly authority: string
  /** Files for the flags of the control plane. */
  readonly files: {
    readonly authority: string
    readonly apiServer: { readonly certificate: string; readonly key: string }
    readonly kubeletClient: { readonly certificate: string; readonly key: string }
    readonly serviceAccount: { readonly privateKey: string; readonly publicKey: string }
    readonly tokens: string
    readonly kubeconfig: string
  }
  readonly #issuer = new Authority('sekisho test cluster')

  constructor(directory: string, plan: AddressPlan) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const write = (name: string, text: string): string => {
      const file = join(directory, name)
      writeFileSync(file, text, { mode: 0o600 })
      return file
    }
    const pair = (name: string, { certificate, key }: Pair) => ({
      certificate: write(`${name}.crt`, certificate),
      key: write(`${name}.key`, key),
    })
    this.authority = this.#issuer.certificate
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const token = randomBytes(16).toString('hex')
    const names = [
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
    ]
    // The outside one is for detours (api-detour.ts).
    const addresses = [...plan.controlPlane, ...plan.outside, API_SERVICE, 'fd00:5e:96::1', '127.0.0.1']
    this.files = {
      authority: write('ca.crt', this.authority),
      apiServer: pair(
        'apiserver',
        this.#issuer.server('kube-apiserver', [...names, 'localhost', ...addresses]),
      ),
      kubeletClient: pair('kubelet-client', this.#issuer.client('kube-apiserver-kubelet-client')),
      serviceAccount: {
        privateKey: write('sa.key', privateKey.export({ type: 'sec1', format: 'pem' })),
        publicKey: write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' })),
      },
      tokens: write('tokens.csv', `${token},admin,admin,"system:masters"\n`),
      kubeconfig: write('kubeconfig', kubeconfig(plan, this.authority, token)),
    }
  }

  /** What the kubelet endpoint of a node shows. */
  nodeServing(name: string, addresses: readonly string[]): Pair {
    return this.#issuer.server(`system:node:${name}`, [name, ...addresses])
  }
}

function kubeconfig(plan: AddressPlan, authority: string, token: string): string {
  const name = 'test'
  return `${JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      contexts: [{ name, context: { cluster: name, user: 'admin' } }],
      clusters: [
        {
          name,
          cluster: {
            server: `https://${plan.controlPlane[0]}:${API_PORT}`,
            'certificate-authority-data': Buffer.from(authority).toString('base64'),
          },
        },
      ],
      users: [{ name: 'admin', user: { token } }],
    },
    null,
    2,
  )}\n`
}
