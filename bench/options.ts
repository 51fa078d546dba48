/** Flags of `bench/run.ts`. */
import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly rounds: number
  /** Of each load. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Also what has no flag of its own is smaller. */
  readonly isQuick: boolean
  /** Ids of scenarios; empty: all. */
  readonly only: readonly string[]
  /** Names of peers in lower case; empty: all. Sekisho is always among them. */
  readonly peers: readonly string[]
  /** Requests per second of the latency scenarios; undefined: 70 % of what nginx reaches. */
  readonly rate: number | undefined
  /** Router counts of the scenario of that name. */
  readonly routers: readonly number[]
  readonly connections: number
  readonly isWriting: boolean
  readonly isInstalling: boolean
  readonly json: string | undefined
  /** A JSON file of an earlier run to make the page of, instead of running. */
  readonly from: string | undefined
}

export const USAGE = `usage: npm run bench -- [flags]

Measures Sekisho against the proxies that are installed, and prints a table per scenario.

  --only=ID,…        these scenarios (see --list)
  --peers=NAME,…     these peers beside Sekisho: nginx, haproxy, envoy, traefik, caddy
  --rounds=N         interleaved rounds, median quoted (5)
  --seconds=N        length of each load (6)
  --rate=N           requests per second of the latency scenarios (70 % of what nginx reaches)
  --routers=N,…      sizes of the scenario "routers" (1,100,10000,100000)
  --idle=N           idle connections of the scenario "memory" (5000)
  --quick            2 rounds of 2 s, up to 10,000 routers, 1,000 idle connections, 300 Ingresses
  --no-install       do not install peers that are missing
  --json=FILE        where the figures go (bench/results/DATE.json)
  --write            write docs/reference/performance.md too
  --from=FILE        no run: print (and --write) the figures of that JSON file
  --list             print the scenarios
`

/** Throws an Error for a flag that is unknown or has a bad value. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' | 'list' {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: text,
      peers: text,
      rounds: text,
      seconds: text,
      rate: text,
      routers: text,
      idle: text,
      json: text,
      from: text,
      quick: flag,
      'no-install': flag,
      write: flag,
      list: flag,
      help: { ...flag, short: 'h' },
    },
  })
  if (values.help) return 'help'
  if (values.list) return 'list'
  const isQuick = values.quick
  return {
    rounds: positive('rounds', values.rounds ?? (isQuick ? '2' : '5')),
    seconds: positive('seconds', values.seconds ?? (isQuick ? '2' : '6')),
    warmUpSeconds: isQuick ? 1 : 3,
    isQuick,
    only: list(values.only),
    peers: list(values.peers).map((name) => name.toLowerCase()),
    rate: values.rate === undefined ? undefined : positive('rate', values.rate),
    routers: list(values.routers ?? (isQuick ? '1,10000' : '1,100,10000,100000')).map((each) =>
      positive('routers', each),
    ),
    connections: positive('idle', values.idle ?? (isQuick ? '1000' : '5000')),
    isWriting: values.write,
    isInstalling: !values['no-install'],
    json: values.json,
    from: values.from,
  }
}

function positive(name: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number <= 0)
    throw new Error(`--${name}: '${value}' is not a whole number above 0`)
  return number
}

function list(value: string | undefined): readonly string[] {
  return value === undefined ? [] : value.split(',').filter((each) => each !== '')
}
