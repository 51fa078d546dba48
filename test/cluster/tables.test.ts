/** The tables of the test bed: images by name, addresses by number, programs by version. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parsePrefix } from '#lib/ip/prefix.ts'
import { addressPlan, CLUSTERS, MAX_NODES } from './address-plan.ts'
import { findImage, type Image } from './images.ts'
import { PROGRAMS, versionOf } from './programs.ts'
import { resource, resourceOf } from './resources.ts'

const image = (name: string): Image => ({ entrypoint: [name], files: {} })

describe('images', () => {
  const table = { echo: image('any'), 'echo:v2': image('two'), 'registry.example/team/echo': image('theirs') }
  for (const [reference, expected] of [
    ['echo', 'any'],
    ['echo:v1', 'any'],
    ['echo:v2', 'two'],
    ['docker.io/library/echo:v2', 'two'],
    ['docker.io/library/echo@sha256:0123', 'any'],
    ['localhost:5000/echo', 'any'],
    ['registry.example/team/echo:v1', 'theirs'],
    ['registry.example/team/echo:v1@sha256:0123', 'theirs'],
    ['other', undefined],
    ['constructor', undefined],
    ['', undefined],
  ] as const) {
    it(`${JSON.stringify(reference)} is ${expected ?? 'none'}`, () => {
      assert.equal(findImage(table, reference)?.entrypoint[0], expected)
    })
  }
})

describe('addresses', () => {
  it('are other ones in every cluster, node and pod', () => {
    const seen = new Set<string>()
    let count = 0
    for (let number = 0; number < CLUSTERS; number++) {
      const plan = addressPlan(number)
      const all = [plan.outside, plan.controlPlane, plan.loadBalancer(0), plan.loadBalancer(253)]
      for (const index of [0, 1, MAX_NODES - 1]) {
        const node = plan.node(index)
        all.push(node.addresses, node.pod(2), node.pod(254))
      }
      for (const address of all.flat()) {
        assert.ok(parsePrefix(address) !== null, address)
        seen.add(address)
        count++
      }
      for (const cidr of [...plan.podCidrs, ...plan.node(MAX_NODES - 1).podCidrs])
        assert.ok(parsePrefix(cidr) !== null, cidr)
    }
    assert.equal(seen.size, count)
  })
})

describe('programs', () => {
  for (const program of PROGRAMS)
    it(`${program.name} has a version`, () => assert.match(versionOf(program), /^v\d+\.\d+\.\d+$/))
})

describe('resources', () => {
  for (const [apiVersion, kind, plural] of [
    ['v1', 'Service', 'services'],
    ['v1', 'Endpoints', 'endpoints'],
    ['networking.k8s.io/v1', 'Ingress', 'ingresses'],
    ['networking.k8s.io/v1', 'IngressClass', 'ingressclasses'],
    ['networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'],
    ['gateway.networking.k8s.io/v1', 'Gateway', 'gateways'],
  ] as const)
    it(`${kind} is one of ${plural}`, () => assert.equal(resource(apiVersion, kind).plural, plural))

  it('knows the core group, and what is in no namespace', () => {
    const { group, version, isNamespaced } = resourceOf({ apiVersion: 'v1', kind: 'Node' })
    assert.deepEqual({ group, version, isNamespaced }, { group: '', version: 'v1', isNamespaced: false })
    assert.throws(() => resourceOf({ kind: 'Pod' }), /without apiVersion and kind/)
  })
})
