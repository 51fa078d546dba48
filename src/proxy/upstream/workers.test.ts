/** Services in real worker threads: what several workers share is one, and what a killed worker leaves is cleared. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { ServiceConfig } from '#config/model/dynamic.ts'
import { WorkerLanes } from '#net/shared/lanes.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import type { RetireAck } from '#net/shared/slots.ts'
import { UpstreamSlots } from './slots.ts'
import { serverConfigs, serviceConfig } from './upstream.fixture.ts'
import type { Order, Start } from './workers.fixture.ts'

const LANES = 3
const CONFIG = serviceConfig(serverConfigs([{}, {}, {}, {}]))

interface Running {
  readonly worker: Worker
  readonly lane: number
}

interface State {
  readonly isIn: boolean
  readonly inFlight: number
}

class Control {
  readonly running = new Set<Running>()
  readonly lanes = new WorkerLanes(LANES)
  config: ServiceConfig = CONFIG
  readonly allocator = new SlotAllocator({
    onSlab: (slab) => {
      for (const { worker } of this.running) worker.postMessage({ kind: 'slab', slab })
    },
    graceMs: 0,
    slotsPerSlab: 4,
  })
  readonly slots = new UpstreamSlots(this.allocator, LANES)

  start(): Running {
    const lane = this.lanes.acquire()
    const slots = this.slots.slotsOf(this.config.name) ?? this.slots.assign(this.config, 0)
    const start: Start = { lane, lanes: LANES, slabs: this.allocator.slabs, config: this.config, slots }
    this.allocator.workerStarted(lane)
    const worker = new Worker(new URL('workers.fixture.ts', import.meta.url), { workerData: start })
    worker.on('message', (message: { kind: string; ack: RetireAck }) => {
      if (message.kind === 'ack') this.allocator.acknowledge(lane, message.ack)
    })
    const running = { worker, lane }
    this.running.add(running)
    return running
  }

  async ask(running: Running, order: Order): Promise<unknown> {
    running.worker.postMessage(order)
    for (;;) {
      const [message] = (await once(running.worker, 'message')) as [{ kind: string; answer: unknown }]
      if (message.kind === order.kind) return message.answer
    }
  }

  async state(running: Running): Promise<readonly State[]> {
    return (await this.ask(running, { kind: 'state' })) as State[]
  }

  /** What control does when a worker has ended, in this order. */
  async kill(running: Running): Promise<void> {
    await running.worker.terminate()
    this.running.delete(running)
    this.slots.workerEnded(running.lane)
    this.allocator.workerEnded(running.lane)
    this.lanes.release(running.lane)
  }

  async update(config: ServiceConfig): Promise<void> {
    this.config = config
    const slots = this.slots.assign(config, 0)
    await Promise.all(
      [...this.running].map((running) => this.ask(running, { kind: 'update', config, slots })),
    )
  }
}

function setUp(t: TestContext, workers: number): [Control, ...Running[]] {
  const control = new Control()
  t.after(() => Promise.all([...control.running].map(({ worker }) => worker.terminate())))
  return [control, ...Array.from({ length: workers }, () => control.start())]
}

describe('services in worker threads', { timeout: 60_000, concurrency: 1 }, () => {
  it('share round robin exactly: 40,000 picks by two workers at once are 10,000 each', async (t) => {
    const [control, first, second] = setUp(t, 2) as [Control, Running, Running]
    const results = (await Promise.all(
      [first, second].map((running) => control.ask(running, { kind: 'pick', times: 20_000, keep: false })),
    )) as Record<string, number>[]
    for (const { id } of CONFIG.servers) assert.equal(results[0]![id]! + results[1]![id]!, 10_000, id)
  })

  it('see the sum of what is in flight, and only theirs goes with a killed worker', async (t) => {
    const [control, first, second] = setUp(t, 2) as [Control, Running, Running]
    await control.ask(first, { kind: 'pick', times: 40, keep: true })
    await control.ask(second, { kind: 'pick', times: 400, keep: true })
    const inFlight = async (): Promise<number[]> =>
      (await control.state(first)).map((server) => server.inFlight)
    assert.deepEqual(await inFlight(), [110, 110, 110, 110])
    await control.kill(second)
    assert.deepEqual(await inFlight(), [10, 10, 10, 10])
    const third = control.start()
    assert.equal(third.lane, second.lane)
    await control.ask(third, { kind: 'pick', times: 4, keep: true })
    assert.deepEqual(await inFlight(), [11, 11, 11, 11])
  })

  it('have right counts after workers were killed in the middle of counting', async (t) => {
    const [control, first] = setUp(t, 1) as [Control, Running]
    for (let round = 0; round < 3; round++) {
      const victim = control.start()
      victim.worker.postMessage({ kind: 'spin' })
      for (;;) {
        const [message] = (await once(victim.worker, 'message')) as [{ kind: string }]
        if (message.kind === 'spinning') break
      }
      await control.ask(first, { kind: 'pick', times: 5000, keep: false })
      await control.kill(victim)
      assert.deepEqual(
        (await control.state(first)).map((server) => server.inFlight),
        [0, 0, 0, 0],
      )
    }
  })

  it('see an ejection that another worker decided, and avoid the server', async (t) => {
    const [control, first, second] = setUp(t, 2) as [Control, Running, Running]
    await control.ask(first, { kind: 'fail', server: 2, times: 2, now: 1000 })
    assert.ok((await control.state(second)).every((server) => server.isIn))
    await control.ask(second, { kind: 'fail', server: 2, times: 1, now: 1000 })
    for (const running of [first, second]) {
      assert.deepEqual(
        (await control.state(running)).map((server) => server.isIn),
        [true, true, false, true],
      )
    }
    const counts = (await control.ask(first, { kind: 'pick', times: 300, keep: false })) as Record<
      string,
      number
    >
    assert.deepEqual(Object.values(counts), [100, 100, 100])
    // A worker that starts later knows it too.
    const third = control.start()
    assert.equal((await control.state(third))[2]!.isIn, false)
  })

  it('never eject all of them, however many workers see failures at once', async (t) => {
    const [control, first, second] = setUp(t, 2) as [Control, Running, Running]
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        [first, second].flatMap((running) =>
          [0, 1, 2, 3].map((server) => control.ask(running, { kind: 'fail', server, times: 3, now: 1000 })),
        ),
      )
    }
    const report = control.slots.report(CONFIG.name, 1000)!
    assert.equal(report.servers.filter((server) => server.isEjected).length, 2)
    assert.equal(report.ejections, 2)
  })

  it('give slots back over messages: 200 changes of all servers stay within a few slabs', async (t) => {
    const [control, first] = setUp(t, 2) as [Control, Running]
    for (let round = 1; round <= 200; round++) {
      const servers = CONFIG.servers.map((server, i) => ({ ...server, id: `10.${round}.0.${i}:80` }))
      await control.update({ ...CONFIG, servers })
      const notice = control.allocator.sweep(0)
      if (notice !== null) {
        await Promise.all([...control.running].map((one) => control.ask(one, { kind: 'retire', notice })))
      }
    }
    assert.equal(control.allocator.size, 5)
    assert.ok(control.allocator.slabs.length <= 4, `${control.allocator.slabs.length} slabs`)
    assert.equal((await control.state(first)).length, 4)
  })
})
