import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../../upstream/upstream.fixture.ts'
import type { ServerSpec } from '../../upstream/upstream.fixture.ts'
import { runBalancerSuite } from '../balancer-suite.ts'
import leastConnections from './index.ts'

runBalancerSuite(leastConnections, { tolerance: 0.001 })

describe('least-connections', () => {
  const rows: readonly {
    name: string
    servers: readonly ServerSpec[]
    inFlight: number[]
    picked: string
  }[] = [
    { name: 'takes the least loaded', servers: [{}, {}, {}], inFlight: [2, 1, 3], picked: '2222' },
    { name: 'takes turns among those that tie', servers: [{}, {}, {}], inFlight: [0, 5, 0], picked: '1313' },
    {
      name: 'measures load by weight',
      servers: [{ weight: 4 }, { weight: 1 }],
      inFlight: [3, 1],
      picked: '1111',
    },
    {
      name: 'gives ties out by weight',
      servers: [{ weight: 3 }, { weight: 1 }],
      inFlight: [0, 0],
      picked: '11121112',
    },
  ]
  for (const row of rows) {
    it(row.name, () => {
      const fixture = new Fixture()
      const config = serviceConfig(serverConfigs(row.servers), { balancer: 'least-connections' })
      // What is in flight was begun by another worker.
      const busy = fixture.service(fixture.worker(), config)
      row.inFlight.forEach((count, index) => {
        for (let i = 0; i < count; i++) busy.servers[index]!.begin()
      })
      const service = fixture.service(fixture.worker(), config)
      const picked = Array.from(row.picked, () => service.select(fakeExchange(), [], fixture.now)!.id.at(-4))
      assert.equal(picked.join(''), row.picked)
    })
  }

  it('evens out requests that stay', () => {
    const fixture = new Fixture()
    const config = serviceConfig(serverConfigs([{ weight: 1 }, { weight: 2 }, { weight: 3 }]), {
      balancer: 'least-connections',
    })
    const services = [fixture.service(fixture.worker(), config), fixture.service(fixture.worker(), config)]
    for (let i = 0; i < 600; i++) services[i % 2]!.select(fakeExchange(), [], fixture.now)!.begin()
    assert.deepEqual(
      services[0]!.servers.map((server) => server.inFlight()),
      [100, 200, 300],
    )
  })
})
