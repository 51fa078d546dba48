/**
 * Which addresses a test cluster uses, as a function of its number (0–63), so that several run on one machine: the
 * underlay network and load balancers in 198.18.0.0/15 (RFC 2544, for benchmarks), pods in 100.64.0.0/10 (RFC 6598), all
 * with a unique local IPv6 twin. Services have the same ranges in every cluster; no route leads there from outside.
 */

export const CLUSTERS = 64
export const API_PORT = 6443
/** First of the range: where pods find the API server. */
export const API_SERVICE = '10.96.0.1'
export const SERVICE_CIDRS: readonly string[] = ['10.96.0.0/16', 'fd00:5e:96::/112']
/** IPv4 and IPv6 address on the underlay network, with the length of its prefix. */
export const UNDERLAY_LENGTHS = { 4: 24, 6: 64 } as const

const FIRST_NODE = 10
export const MAX_NODES = 200

export interface AddressPlan {
  readonly number: number
  /** Link to the cluster in the namespace of the test. */
  readonly link: string
  /** IPv4, then IPv6; the same below. The end of that link on the side of the test. */
  readonly outside: readonly [string, string]
  readonly controlPlane: readonly [string, string]
  readonly podCidrs: readonly [string, string]
  node(index: number): NodeAddresses
  /** For the `index`th load balancer, 0–253. */
  loadBalancer(index: number): readonly [string, string]
}

export interface NodeAddresses {
  readonly addresses: readonly [string, string]
  readonly podCidrs: readonly [string, string]
  /** Of the `number`th pod, 2–254. */
  pod(number: number): readonly [string, string]
}

export function addressPlan(number: number): AddressPlan {
  const v4 = `198.18.${number}`
  const v6 = `fd00:5e:${number.toString(16)}`
  const pods4 = `100.${64 + number}`
  const pods6 = `${v6}:1`
  const underlay = (host: number): readonly [string, string] => [`${v4}.${host}`, `${v6}::${host}`]
  return {
    number,
    link: `sekisho-${number}`,
    outside: underlay(1),
    controlPlane: underlay(2),
    podCidrs: [`${pods4}.0.0/16`, `${pods6}::/64`],
    loadBalancer: (index) => [`198.19.${number}.${index + 1}`, `${v6}:2::${(index + 1).toString(16)}`],
    node: (index) => {
      const part = index + 1
      return {
        addresses: underlay(FIRST_NODE + index),
        podCidrs: [`${pods4}.${part}.0/24`, `${pods6}:${part.toString(16)}::/80`],
        pod: (pod) => [`${pods4}.${part}.${pod}`, `${pods6}:${part.toString(16)}::${pod.toString(16)}`],
      }
    },
  }
}
