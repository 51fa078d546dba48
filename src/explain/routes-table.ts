/**
 * Every router in the order in which requests meet them, as rows and as a table for a terminal. Called by the
 * command `routes` and the API.
 */
import type { RouterConfig, ServiceConfig } from '#config/model/dynamic.ts'
import type { RoutingProgram } from '#proxy/router/program.ts'
import { alignColumns } from './columns.ts'
import { hostName } from './rule-text.ts'

export interface RouteRow {
  readonly name: string
  readonly entryPoints: string
  readonly host: string
  readonly path: string
  /** Kind of path match; with the scheme when it is not for both. */
  readonly type: string
  readonly service: string
  /** Number of servers, `-` when the service is not known. */
  readonly endpoints: string
  readonly middlewares: string
  /** `file:line`, or the object when no file is known. */
  readonly source: string
  /** Why it answers nothing, or is never asked. */
  readonly note: string
}

export interface RoutesTableOptions {
  /** Of routers that name none. */
  readonly defaultEntryPoints?: readonly string[]
  service?(name: string): ServiceConfig | undefined
  /** Shortens file names. */
  fileText?(file: string): string
}

export function* routeRows<T>(
  program: RoutingProgram<T>,
  options: RoutesTableOptions = {},
): Generator<RouteRow> {
  const earlier = new Map<string, RouterConfig[]>()
  for (const { router } of program.list()) {
    const place = placeKey(router)
    const before = earlier.get(place) ?? []
    const shadow = before.find((other) => covers(other, router, options))
    if (shadow === undefined) earlier.set(place, [...before, router])
    yield rowOf(router, shadow, options)
  }
}

const HEADINGS: readonly (readonly [heading: string, key: keyof RouteRow])[] = [
  ['ENTRYPOINTS', 'entryPoints'],
  ['HOST', 'host'],
  ['PATH', 'path'],
  ['TYPE', 'type'],
  ['SERVICE', 'service'],
  ['ENDPOINTS', 'endpoints'],
  ['MIDDLEWARES', 'middlewares'],
  ['SOURCE', 'source'],
  ['NOTE', 'note'],
]

/** Lines of the table, headings first; a column that is empty throughout is left out. */
export function routesTable<T>(program: RoutingProgram<T>, options: RoutesTableOptions = {}): string[] {
  const rows = [...routeRows(program, options)]
  const columns = HEADINGS.filter(([, key]) => rows.some((row) => row[key] !== ''))
  if (rows.length === 0) return []
  return alignColumns([
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, key]) => row[key])),
  ])
}

function rowOf(
  router: RouterConfig,
  shadow: RouterConfig | undefined,
  options: RoutesTableOptions,
): RouteRow {
  const { origin, path } = router
  const service = router.service === undefined ? undefined : options.service?.(router.service)
  const { place } = origin
  const file = place === undefined ? '' : (options.fileText?.(place.file) ?? place.file)
  const notes: string[] = []
  if (router.closed !== undefined) notes.push(`503: ${router.closed}`)
  if (shadow !== undefined) notes.push(`never asked: ${shadow.name} goes first`)
  return {
    name: router.name,
    entryPoints: (router.entryPoints ?? options.defaultEntryPoints ?? ['*']).join(','),
    host: hostName(router.host),
    path: path.kind === 'any' ? '*' : path.value,
    type: path.kind + (router.scheme === 'both' ? '' : ` ${router.scheme}`),
    service: router.service ?? '-',
    endpoints: service === undefined ? '-' : endpointsText(service),
    middlewares: router.middlewares.join(','),
    source:
      place === undefined ? `${origin.kind} ${origin.namespace}/${origin.name}` : `${file}:${place.line}`,
    note: notes.join('; '),
  }
}

function endpointsText(service: ServiceConfig): string {
  const fenced = service.servers.filter((server) => server.fenced === true).length
  const ready = service.servers.length - fenced
  return fenced === 0 ? String(ready) : `${ready} + ${fenced} terminating`
}

/** Routers with the same text match the same hosts and paths. */
function placeKey(router: RouterConfig): string {
  const { host, path } = router
  const value = path.kind === 'any' ? '' : path.value
  const flag = path.kind === 'regex' && path.caseInsensitive ? 'i' : ''
  return [hostName(host), path.kind + flag, value].join('\n')
}

/** Whether no request that `later` could serve gets past `first`, given that they match the same ones otherwise. */
function covers(first: RouterConfig, later: RouterConfig, options: RoutesTableOptions): boolean {
  if (first.scheme !== 'both' && first.scheme !== later.scheme) return false
  if (first.entryPoints === undefined && later.entryPoints === undefined) return true
  const wide = first.entryPoints ?? options.defaultEntryPoints
  const narrow = later.entryPoints ?? options.defaultEntryPoints
  return wide !== undefined && narrow !== undefined && narrow.every((name) => wide.includes(name))
}
