import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../../upstream/upstream.fixture.ts'
import { runBalancerSuite } from '../balancer-suite.ts'
import wrr from './index.ts'

runBalancerSuite(wrr, { tolerance: 0.001 })

describe('wrr: position', () => {
  const exchange = fakeExchange()

  function picks(fixture: Fixture, service: ReturnType<Fixture['service']>, count: number): string {
    return Array.from({ length: count }, () => service.select(exchange, [], fixture.now)!.id.at(-4)).join('')
  }

  it('is one for two workers that take turns in any pattern', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{}, {}, {}]))
    const first = fixture.service(fixture.worker(), config)
    const second = fixture.service(fixture.worker(), config)
    const order = picks(fixture, first, 2) + picks(fixture, second, 3) + picks(fixture, first, 1)
    assert.equal(order, '123123')
  })

  it('goes on after a change of the configuration that keeps the service', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{}, {}, {}]))
    const service = fixture.service(fixture.worker(), config)
    assert.equal(picks(fixture, service, 4), '1231')
    fixture.update([service], { ...config, timeouts: { readMs: 1 } })
    assert.equal(picks(fixture, service, 3), '231')
  })

  it('goes on when the service is removed and added again soon', () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const config = serviceConfig(serverConfigs([{}, {}, {}]))
    const service = fixture.service(worker, config)
    assert.equal(picks(fixture, service, 4), '1231')
    service.close()
    fixture.slots.remove(config.name, fixture.now)
    fixture.now += 30_000
    fixture.sweep()
    assert.equal(picks(fixture, fixture.service(worker, config), 2), '23')
  })

  it('is spread smoothly: no server has more than three turns in a row at 5:1:1', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{ weight: 5 }, { weight: 1 }, { weight: 1 }]))
    const order = picks(fixture, fixture.service(fixture.worker(), config), 70)
    assert.equal(order.replaceAll(/[^1]/g, '').length, 50)
    assert.doesNotMatch(order, /1111|22|33/)
  })

  it('survives its wrap at 2^32', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{}, {}, {}, {}]))
    const service = fixture.service(fixture.worker(), config)
    const { ints, base } = fixture.allocator.view(fixture.slots.slotsOf(config.name)!.service)
    ints[base] = 0x7ffffffe
    assert.equal(picks(fixture, service, 4), '3412')
    ints[base] = -2
    assert.equal(picks(fixture, service, 4), '3412')
  })
})
