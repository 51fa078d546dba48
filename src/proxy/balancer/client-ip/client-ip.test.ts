import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fixture, fakeExchange, serverConfigs, serviceConfig } from '../../upstream/upstream.fixture.ts'
import { runBalancerSuite } from '../balancer-suite.ts'
import clientIp from './index.ts'

runBalancerSuite(clientIp, { tolerance: 0.1 })

describe('client-ip', () => {
  const config = serviceConfig(serverConfigs(Array.from({ length: 10 }, () => ({}))), {
    balancer: 'client-ip',
  })
  const clients = Array.from({ length: 2000 }, (_, i) =>
    i % 2 === 0 ? `10.1.${i >> 8}.${i & 255}` : `2001:db8::${i}`,
  )

  it('sends a client to the same server in every worker and after a restart', () => {
    const placed = [new Fixture(), new Fixture()].flatMap((fixture) =>
      [fixture.worker(), fixture.worker()].map((worker) => {
        const service = fixture.service(worker, config)
        return clients.map(
          (clientAddress) => service.select(fakeExchange({ clientAddress }), [], fixture.now)!.id,
        )
      }),
    )
    for (const other of placed.slice(1)) assert.deepEqual(other, placed[0])
  })

  it('moves only the clients of a server that goes, and spreads those', () => {
    const fixture = new Fixture()
    const service = fixture.service(fixture.worker(), config)
    const place = (): string[] =>
      clients.map((clientAddress) => service.select(fakeExchange({ clientAddress }), [], fixture.now)!.id)
    const before = place()
    const gone = config.servers[3]!.id
    fixture.update([service], { ...config, servers: config.servers.filter((server) => server.id !== gone) })
    const after = place()
    const takenBy = new Set<string>()
    clients.forEach((client, i) => {
      if (before[i] === gone) takenBy.add(after[i]!)
      else assert.equal(after[i], before[i], client)
    })
    assert.equal(takenBy.size, 9)
  })
})
