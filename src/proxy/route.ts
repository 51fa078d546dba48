/** What a worker executes for a matched router: the compiled side of a RouterConfig. */
import type { Origin } from '#config/model/dynamic.ts'
import type { Chain } from './middleware/chain.ts'
import type { Service } from './upstream/service.ts'

export interface Route {
  readonly name: string
  readonly chain: Chain | null
  /** Null only when the chain or `closed` answers. */
  readonly service: Service | null
  /** Answers 503 when set; says which setting was not understood. */
  readonly closed: string | undefined
  readonly headerSet: string
  readonly origin: Origin
}
