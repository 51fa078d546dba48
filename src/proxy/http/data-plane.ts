/** What connections of one worker share. */
import type { CoarseClock } from '#lib/clock.ts'
import type { TimerWheel } from '#lib/timer-wheel.ts'
import type { MemoryBudget } from '#net/budget.ts'
import type { RoutingProgram } from '../router/program.ts'
import type { Route } from '../route.ts'
import type { Reply } from './exchange.ts'
import type { HeadPool } from './head-pool.ts'
import type { ProxyExchange } from './proxy-exchange.ts'
import type { RequestIds } from './request-id.ts'

export interface DataPlane {
  readonly clock: CoarseClock
  readonly wheel: TimerWheel
  readonly budget: MemoryBudget
  readonly program: RoutingProgram<Route>
  readonly heads: HeadPool
  readonly requestIds: RequestIds
  readonly observer: ExchangeObserver
  readonly internal: InternalAnswers
  /** False: heads are written field by field (`SEKISHO_FAST_PATH=0`). */
  readonly isFastPath: boolean
  /** Connections close after the exchange under way. */
}

/** Answers of the internal entrypoint; they come from another thread. */
export interface InternalAnswers {
  ask(method: string, path: string, callback: (reply: Reply) => void): void
}

/** Metrics and access log. */
export interface ExchangeObserver {
  /** Whether anybody asks how long an exchange took; a look at the clock costs 0.1 µs. */
  readonly wantsDuration: boolean
  /** Whether times of the server's part are to be taken. */
  readonly wantsTimings: boolean
  /** After the last byte of the exchange, or its failure. */
  onEnd(exchange: ProxyExchange): void
  /** A request that could not be read: no exchange came of it. */
  onMalformed(entryPoint: string, code: string, status: number): void
  /** An attempt failed; `failure` is one of client/failure. */
  onUpstreamFailure(exchange: ProxyExchange, failure: number, detail: string): void
  /** A request went to a server again. */
  onRetry(exchange: ProxyExchange): void
}
