/**
 * Requests at a steady rate, whatever becomes of them (an open loop): GET and POST by turns, on kept connections and on
 * new ones, to backends of the bed (images/backend.ts), whose answers are checked. Nothing is tried again; each request that
 * did not get its answer is lost, and counted by method, kind of connection and reason.
 */
import type { HttpAnswer } from './http-answer.ts'
import { TrafficClient, type ClientFacts } from './traffic-client.ts'

export interface TrafficOptions {
  /** Where to connect to. */
  readonly host: string
  readonly port: number
  /** `Host` of the requests. */
  readonly name: string
  readonly perSecond: number
  /** Connections that are kept. */
  readonly kept: number
  /** Of this many pairs of requests, one goes on connections of its own; Infinity: none. */
  readonly freshEvery: number
}

export type Method = 'GET' | 'POST'

export interface Count {
  ok: number
  /** What came instead of an answer, and how often. */
  readonly lost: Map<string, number>
}

interface Planned {
  readonly method: Method
  readonly dueAt: number
}

const TICK_MS = 5
const METHODS: readonly Method[] = ['GET', 'POST']
/** Connections of a single request that there are at once; on a machine without time for more they would pile up. */
const MAX_FRESH = 64
const BODY = 'x'.repeat(1024)

export class Traffic implements Disposable {
  readonly facts: ClientFacts = { connections: 0, closedByAnswer: 0, closedIdle: 0 }
  /** Names of pods that answered, with how often. */
  readonly pods = new Map<string, number>()
  /** From the moment a request was due to its answer. */
  slowestMs = 0
  /** Requests that were due and waited for a connection, at most. */
  longestQueue = 0
  sent = 0
  readonly #options: TrafficOptions
  readonly #counts = new Map<string, Count>()
  readonly #kept: TrafficClient[] = []
  /** Of those, the free ones: that which has been free for longest first, so that all are used. */
  readonly #free: TrafficClient[]
  readonly #fresh = new Set<TrafficClient>()
  readonly #queue: Planned[] = []
  readonly #freshQueue: Planned[] = []
  readonly #requests: Readonly<Record<`${Method} ${boolean}`, Buffer>>
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #planned = 0
  #waiting: { readonly isTrue: () => boolean; readonly resolve: () => void }[] = []

  constructor(options: TrafficOptions) {
    this.#options = options
    const bytes = (method: Method, isKept: boolean): Buffer => requestBytes(options.name, method, isKept)
    this.#requests = {
      'GET true': bytes('GET', true),
      'GET false': bytes('GET', false),
      'POST true': bytes('POST', true),
      'POST false': bytes('POST', false),
    }
    for (let index = 0; index < options.kept; index++) this.#kept.push(this.#client(true))
    this.#free = [...this.#kept]
    // Behind the poll for events: a connection whose end has come is known as ended then.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), TICK_MS)
  }

  /** Resolves when it has gone on for so long, and everything of that time is due. */
  until(ms: number): Promise<void> {
    return this.#when(() => this.#planned >= (this.#options.perSecond * ms) / 1000)
  }

  /** Sends no more; resolves when everything is answered or lost. */
  async stop(): Promise<this> {
    clearInterval(this.#timer)
    this.#drainQueue()
    await this.#when(() => this.#settled === this.sent && this.#waitingRequests === 0)
    this[Symbol.dispose]()
    return this
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#queue.length = 0
    this.#freshQueue.length = 0
    for (const client of [...this.#kept, ...this.#fresh]) client.close()
  }

  /** `lost('POST')` over both kinds of connections. */
  lost(method?: Method): number {
    return this.#sum(method, ({ lost }) => [...lost.values()].reduce((sum, count) => sum + count, 0))
  }

  ok(method?: Method): number {
    return this.#sum(method, ({ ok }) => ok)
  }

  toString(): string {
    const { connections, closedByAnswer, closedIdle } = this.facts
    const counts = [...this.#counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, { ok, lost }]) => {
        const reasons = [...lost].map(([reason, count]) => `${count} × ${reason}`).join(', ')
        return `${kind} ${ok} answered, ${reasons === '' ? '0 lost' : `lost: ${reasons}`}`
      })
    return [
      `${this.sent} requests to ${this.#options.name}`,
      ...counts,
      `${connections} connections, ${closedByAnswer} closed by their answer, ${closedIdle} closed idle`,
      `slowest ${Math.round(this.slowestMs)} ms, at most ${this.longestQueue} waited for a connection`,
    ].join('; ')
  }

  get #settled(): number {
    return this.ok() + this.lost()
  }

  #sum(method: Method | undefined, part: (count: Count) => number): number {
    let sum = 0
    for (const [kind, count] of this.#counts) if (kind.startsWith(method ?? '')) sum += part(count)
    return sum
  }

  #tick(): void {
    const { perSecond } = this.#options
    const now = performance.now()
    for (; ; this.#planned++) {
      const dueAt = this.#startedAt + (this.#planned * 1000) / perSecond
      if (dueAt > now) break
      this.#plan({ method: METHODS[this.#planned % 2]!, dueAt }, this.#planned >> 1)
    }
    this.#drainQueue()
    this.#tell()
  }

  #plan(planned: Planned, pair: number): void {
    const { freshEvery } = this.#options
    const isFresh = freshEvery !== Infinity && pair % freshEvery === 0
    if (isFresh) this.#freshQueue.push(planned)
    else this.#queue.push(planned)
  }

  #drainQueue(): void {
    while (this.#queue.length > 0 && this.#free.length > 0)
      this.#send(this.#free.shift()!, this.#queue.shift()!)
    while (this.#freshQueue.length > 0 && this.#fresh.size < MAX_FRESH) {
      const client = this.#client(false)
      this.#fresh.add(client)
      this.#send(client, this.#freshQueue.shift()!)
    }
    this.longestQueue = Math.max(this.longestQueue, this.#waitingRequests)
  }

  get #waitingRequests(): number {
    return this.#queue.length + this.#freshQueue.length
  }

  #send(client: TrafficClient, { method, dueAt }: Planned): void {
    this.sent++
    client.send(this.#requests[`${method} ${client.isKept}`], (outcome) => {
      if (client.isKept) this.#free.push(client)
      else this.#fresh.delete(client)
      const count = this.#countOf(method, client)
      const reason = typeof outcome === 'string' ? outcome : this.#wrong(outcome, method)
      if (reason === undefined) count.ok++
      else count.lost.set(reason, (count.lost.get(reason) ?? 0) + 1)
      this.slowestMs = Math.max(this.slowestMs, performance.now() - dueAt)
      if (this.#waitingRequests > 0) setImmediate(() => this.#drainQueue())
      this.#tell()
    })
  }

  #wrong({ status, head, body }: HttpAnswer, method: Method): string | undefined {
    if (status !== 200) return head.slice(0, head.indexOf('\r\n'))
    const said = JSON.parse(body) as { pod: string; method: string; bodyBytes: number }
    this.pods.set(said.pod, (this.pods.get(said.pod) ?? 0) + 1)
    const isRight = said.method === method && said.bodyBytes === (method === 'POST' ? BODY.length : 0)
    return isRight ? undefined : 'the answer to another request'
  }

  #countOf(method: Method, { isKept }: TrafficClient): Count {
    const kind = `${method} on ${isKept ? 'kept' : 'new'} connections:`
    const count = this.#counts.get(kind) ?? { ok: 0, lost: new Map<string, number>() }
    this.#counts.set(kind, count)
    return count
  }

  #client(isKept: boolean): TrafficClient {
    const { host, port } = this.#options
    return new TrafficClient({ host, port, facts: this.facts }, isKept)
  }

  #when(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ isTrue, resolve }))
  }

  #tell(): void {
    this.#waiting = this.#waiting.filter(({ isTrue, resolve }) => {
      if (!isTrue()) return true
      resolve()
      return false
    })
  }
}

function requestBytes(name: string, method: Method, isKept: boolean): Buffer {
  const lines = [`${method} / HTTP/1.1`, `Host: ${name}`]
  if (!isKept) lines.push('Connection: close')
  if (method === 'POST') lines.push('Content-Type: text/plain', `Content-Length: ${BODY.length}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${method === 'POST' ? BODY : ''}`)
}
