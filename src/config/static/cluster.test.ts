import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatIssue } from '#lib/errors.ts'
import { decodeGateway, gatewaySchema, type ClusterConfig, type GatewayResult } from './cluster.ts'
import { parseFlags } from './flags.ts'

function decode(...args: string[]): GatewayResult {
  const flags = parseFlags(args, gatewaySchema)
  assert.deepEqual(flags.issues, [])
  return decodeGateway(flags.tree)
}

const valid: readonly (readonly [string, readonly string[], Partial<ClusterConfig>])[] = [
  [
    'nothing',
    [],
    { watchNamespace: [], controllerClass: 'sekisho.dev/ingress-controller', updateStatus: false },
  ],
  ['hyphens', ['--controller-class=example.com/x'], { controllerClass: 'example.com/x' }],
  ['namespaces', ['--watch-namespace=a,b', '--watch-namespace', 'c'], { watchNamespace: ['a', 'b', 'c'] }],
  ['a Service', ['--publish-service=edge/web'], { publishService: { namespace: 'edge', name: 'web' } }],
  [
    'addresses',
    ['--publish-address=192.0.2.1,2001:db8::1,lb.example.com'],
    { publishAddress: ['192.0.2.1', '2001:db8::1', 'lb.example.com'] },
  ],
  ...[
    'a=b',
    'a==b,!c , d',
    'example.com/a-b_c.d!=x',
    'a in (b, c ,d),e notin (f)',
    'a=',
    'a in ()',
    'a>1,b < 2',
  ].map((text): [string, string[], Partial<ClusterConfig>] => [
    `the selector ${text}`,
    [`--ingress-label-selector=${text}`],
    { ingressLabelSelector: text },
  ]),
  [
    'switches',
    ['--watch-ingress-without-class', '--update-status'],
    { watchIngressWithoutClass: true, updateStatus: true },
  ],
]

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [['--watch-namespace=Shop'], /watchNamespace\[0\]: .*is no name of a namespace/],
  [['--watch-namespace='], /watchNamespace: must not be empty \(without it: all namespaces\)/],
  [['--watch-namespace=,'], /watchNamespace: must not be empty/],
  [
    ['--watch-namespace-selector=a in ('],
    /watchNamespaceSelector: is no label selector: "a in \(" is none of KEY/,
  ],
  [['--watch-namespace-selector=a,'], /an empty requirement is none of/],
  [['--watch-namespace-selector==='], /"==" is none of/],
  [['--watch-namespace-selector=a in (b))'], /is no label selector/],
  [['--ingress-label-selector=a b'], /ingressLabelSelector: is no label selector: "a b"/],
  [['--ingress-label-selector=-a=b'], /is no label selector/],
  [['--ingress-label-selector=a=b c'], /is no label selector/],
  [['--election-id=a/b'], /electionId: is no name of an object/],
  [['--watch-namespace=a', '--watch-namespace-selector=b=c'], /watchNamespaceSelector: cannot stand beside/],
  [['--publish-service=web'], /publishService: must be NAMESPACE\/NAME/],
  [['--publish-service=a/b/c'], /must be NAMESPACE\/NAME/],
  [['--publish-address=http://x'], /publishAddress\[0\]: .*must be an IP address or a DNS name/],
  [['--publish-address=300.1.1.1'], /must be an IP address or a DNS name/],
  [['--publish-service=a/b', '--publish-address=192.0.2.1'], /publishAddress: cannot stand beside/],
  [['--backend=a/b=127.0.0.1:1'], /in a cluster, servers are the endpoints of a Service/],
  [['--entryPoints.web.address=:80', '--entryPoints.other.address=:80'], /is also the address of/],
]

describe('options of the gateway', () => {
  for (const [name, args, expected] of valid) {
    it(`takes ${name}`, () => {
      const result = decode(...args)
      assert.ok(result.ok)
      for (const [field, value] of Object.entries(expected))
        assert.deepEqual(result.cluster[field as keyof ClusterConfig], value)
    })
  }

  for (const [args, expected] of wrong) {
    it(`refuses ${args.join(' ')}`, () => {
      const result = decode(...args)
      assert.ok(!result.ok)
      assert.match(result.issues.map((issue) => formatIssue(issue, '--')).join('\n'), expected)
    })
  }

  it('decodes what every gateway has as for a directory', () => {
    const result = decode('--entryPoints.web.address=:81', '--ingress-class=edge', '--ping')
    assert.ok(result.ok)
    assert.equal(result.config.entryPoints['web']?.address.port, 81)
    assert.equal(result.config.ingressClass, 'edge')
    assert.equal(result.cluster.ingressClass, 'edge')
    assert.notEqual(result.config.ping, undefined)
    assert.deepEqual(result.config.backends, [])
    assert.ok(!('watchNamespace' in result.config))
  })
})
