import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FAIL_CONNECT } from '#client/failure.ts'
import { checkService } from './check.ts'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from './upstream.fixture.ts'

const THREE = serverConfigs([{}, {}, {}])

describe('service update', () => {
  it('keeps the object of a server that stays, with pool and state', () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const service = fixture.service(worker, serviceConfig(THREE))
    const [first, second, third] = service.servers
    second!.pool = { connections: 3 }
    const weighty = { ...THREE[1]!, weight: 5, fenced: true }
    fixture.update([service], serviceConfig([weighty, THREE[0]!, { ...THREE[2]!, id: 'new', port: 81 }]))
    assert.equal(service.servers[0], second)
    assert.deepEqual([second!.weight, second!.fenced], [5, true])
    assert.equal(service.servers[1], first)
    assert.notEqual(service.servers[2], third)
    assert.deepEqual(worker.removed, [third])
  })

  it('makes a new object when an id changes its address, and both count in the same slot', () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const service = fixture.service(worker, serviceConfig([{ ...THREE[0]!, id: 'shop' }]))
    const old = service.servers[0]!
    old.begin()
    fixture.update([service], serviceConfig([{ ...THREE[1]!, id: 'shop' }]))
    const now = service.servers[0]!
    assert.notEqual(now, old)
    assert.equal(now.inFlight(), 1)
    old.finish()
    assert.equal(now.inFlight(), 0)
  })

  it('lets a removed server finish what it has, and frees its slot after that', () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const service = fixture.service(worker, serviceConfig(THREE))
    const slotsBefore = fixture.allocator.size
    const removed = service.servers[0]!
    removed.begin()
    removed.begin()
    fixture.update([service], serviceConfig(THREE.slice(1)))
    fixture.now += 61_000
    fixture.sweep()
    assert.equal(fixture.allocator.size, slotsBefore)
    assert.equal(removed.inFlight(), 2)
    removed.finish()
    removed.finish()
    assert.equal(fixture.allocator.size, slotsBefore - 1)
    // An attempt on it may still come (a replay on a fresh connection); it counts in nobody's record.
    removed.begin()
    removed.reportFailure(fixture.now, FAIL_CONNECT)
    removed.finish()
  })

  it('takes servers with the same id once', () => {
    const fixture = new Fixture()
    const service = fixture.service(fixture.worker(), serviceConfig([THREE[0]!, THREE[0]!, THREE[1]!]))
    assert.deepEqual(
      service.servers.map((server) => server.id),
      ['10.0.0.1:80', '10.0.0.2:80'],
    )
    fixture.update([service], serviceConfig([THREE[1]!]))
    assert.equal(fixture.slots.report(service.name, fixture.now)!.servers.length, 1)
  })

  it('that is refused leaves the service as it was', () => {
    const fixture = new Fixture()
    const config = serviceConfig(THREE)
    const service = fixture.service(fixture.worker(), config)
    const bad = serviceConfig([{ ...THREE[0]!, weight: -1 }])
    assert.throws(() => service.update(bad, fixture.slots.slotsOf(config.name)!), { name: 'ConfigError' })
    assert.equal(service.config, config)
    assert.equal(service.servers.length, 3)
  })

  it('changes the balancer', () => {
    const fixture = new Fixture()
    const service = fixture.service(fixture.worker(), serviceConfig(THREE))
    const pick = (): string => service.select(fakeExchange(), [], fixture.now)!.id
    assert.equal(new Set([pick(), pick(), pick()]).size, 3)
    fixture.update([service], serviceConfig(THREE, { balancer: 'client-ip' }))
    assert.equal(new Set([pick(), pick(), pick()]).size, 1)
  })
})

describe('service close', () => {
  it('frees every slot, and the service still answers exchanges that have it', () => {
    const fixture = new Fixture()
    const worker = fixture.worker()
    const config = serviceConfig(THREE)
    const service = fixture.service(worker, config)
    service.close()
    service.close()
    fixture.slots.remove(config.name, fixture.now)
    fixture.now += 61_000
    fixture.sweep()
    assert.equal(fixture.allocator.size, 0)
    assert.equal(worker.removed.length, 3)
    const server = service.select(fakeExchange(), [service.servers[0]!], fixture.now)
    assert.ok(server !== null)
    server.begin()
    server.finish()
    service.tick(fixture.now)
  })
})

describe('in-flight counts', () => {
  it('are summed over workers, and those of an ended worker are taken out', () => {
    const fixture = new Fixture()
    const config = serviceConfig(THREE)
    const workers = [fixture.worker(), fixture.worker(), fixture.worker()]
    const services = workers.map((worker) => fixture.service(worker, config))
    services.forEach((service, index) => {
      for (let i = 0; i <= index; i++) service.servers[0]!.begin()
    })
    assert.equal(services[0]!.servers[0]!.inFlight(), 6)
    fixture.slots.workerEnded(workers[1]!.lane)
    assert.equal(services[0]!.servers[0]!.inFlight(), 4)
    assert.equal(fixture.slots.report(config.name, fixture.now)!.servers[0]!.inFlight, 4)
  })

  it('refuse to fall below what was begun', () => {
    const fixture = new Fixture()
    const service = fixture.service(fixture.worker(), serviceConfig(THREE))
    assert.throws(() => service.servers[0]!.finish(), /finish without begin/)
  })
})

describe('service check', () => {
  it('names an unknown balancer and wrong weights', () => {
    const config = {
      ...serviceConfig([THREE[0]!, { ...THREE[1]!, weight: 0.5 }, { ...THREE[2]!, weight: NaN }]),
      balancer: 'dice' as 'wrr',
    }
    assert.deepEqual(
      checkService(config).map(({ path, message }) => [path.join('.'), message]),
      [
        ['balancer', 'unknown balancer dice'],
        ['servers.1.weight', '0.5 is not a whole number of 0 or more'],
        ['servers.2.weight', 'NaN is not a whole number of 0 or more'],
      ],
    )
  })
})
