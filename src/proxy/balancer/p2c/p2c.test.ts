import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../../upstream/upstream.fixture.ts'
import { runBalancerSuite, seededRandom } from '../balancer-suite.ts'
import p2c from './index.ts'

runBalancerSuite(p2c, { tolerance: 0.1 })

describe('p2c', () => {
  it('of two servers always takes the one with less in flight', () => {
    const fixture = new Fixture()
    fixture.random = seededRandom(3)
    const config = serviceConfig(serverConfigs([{}, {}]), { balancer: 'p2c' })
    const busy = fixture.service(fixture.worker(), config)
    busy.servers[0]!.begin()
    const service = fixture.service(fixture.worker(), config)
    for (let i = 0; i < 200; i++) {
      assert.equal(service.select(fakeExchange(), [], fixture.now), service.servers[1])
    }
  })

  it('keeps requests that stay far closer together than one random choice would', () => {
    const fixture = new Fixture()
    fixture.random = seededRandom(5)
    const specs = Array.from({ length: 50 }, () => ({}))
    const service = fixture.service(
      fixture.worker(),
      serviceConfig(serverConfigs(specs), { balancer: 'p2c' }),
    )
    for (let i = 0; i < 5000; i++) service.select(fakeExchange(), [], fixture.now)!.begin()
    const loads = service.servers.map((server) => server.inFlight())
    // One random choice leaves a spread of about ±25 around 100.
    assert.ok(Math.max(...loads) <= 104, `most loaded has ${Math.max(...loads)}`)
    assert.ok(Math.min(...loads) >= 90, `least loaded has ${Math.min(...loads)}`)
  })

  it('looks at weights when it compares', () => {
    const fixture = new Fixture()
    fixture.random = seededRandom(9)
    const config = serviceConfig(serverConfigs([{ weight: 1 }, { weight: 3 }]), { balancer: 'p2c' })
    const service = fixture.service(fixture.worker(), config)
    for (let i = 0; i < 400; i++) service.select(fakeExchange(), [], fixture.now)!.begin()
    const loads = service.servers.map((server) => server.inFlight())
    assert.ok(Math.abs(loads[0]! - 100) <= 3, `loads ${loads.join(' and ')}`)
  })
})
