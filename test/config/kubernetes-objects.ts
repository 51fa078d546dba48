/**
 * Reads a YAML text into objects for the translation, with positions, and prints what comes out of it in a short form
 * for the expected files beside the cases. Used by `kubernetes.test.ts` only; what reads manifests in the product is
 * tested elsewhere.
 */
import { isMap, isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml'
import type {
  DynamicDelta,
  MiddlewareConfig,
  PathMatch,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import type { Finding, Place } from '#config/model/finding.ts'
import {
  objectKey,
  type KubeObject,
  type ObjectPath,
  type SourcedObject,
} from '#providers/kubernetes/objects.ts'

/** Every object of every document; members of lists are objects too. */
export function readObjects(text: string, file: string): SourcedObject[] {
  const lines = new LineCounter()
  const objects: SourcedObject[] = []
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    if (!('contents' in document)) continue
    const value: unknown = document.toJS()
    if (value === null) continue
    const items = (value as { items?: KubeObject[] }).items
    if (Array.isArray(items)) {
      items.forEach((item, index) => objects.push(sourced(item, document, ['items', index], lines, file)))
    } else objects.push(sourced(value as KubeObject, document, [], lines, file))
  }
  return objects
}

const CLUSTER_SCOPED = new Set(['IngressClass', 'Namespace'])

function sourced(
  object: KubeObject,
  document: Document,
  prefix: ObjectPath,
  lines: LineCounter,
  file: string,
): SourcedObject {
  const { kind, metadata } = object
  if (!CLUSTER_SCOPED.has(kind)) Object.assign(metadata, { namespace: metadata.namespace ?? 'default' })
  const placeOf = (path: ObjectPath): Place => find(document, [...prefix, ...path], lines, file)
  return {
    key: objectKey(kind, metadata.namespace, metadata.name),
    kind,
    object,
    place: placeOf([]),
    placeOf,
  }
}

/** The place of a key, or of its nearest ancestor that exists. */
function find(document: Document, path: ObjectPath, lines: LineCounter, file: string): Place {
  for (let length = path.length; length >= 0; length--) {
    const last = path[length - 1]
    const parent = length === 0 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    let offset: number | undefined
    if (length === 0) offset = document.contents?.range?.[0]
    else if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last)
      if (pair !== undefined && isScalar(pair.key)) offset = pair.key.range?.[0]
    } else {
      const node = document.getIn(path.slice(0, length), true) as { range?: [number] } | undefined
      offset = node?.range?.[0]
    }
    if (offset === undefined) continue
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  return { file, line: 1, column: 1 }
}

/** Everything that has been yielded so far. */
export class Accumulated {
  readonly routers = new Map<string, RouterConfig>()
  readonly services = new Map<string, ServiceConfig>()
  readonly middlewares = new Map<string, MiddlewareConfig>()
  readonly certificates = new Map<string, object>()

  apply(delta: DynamicDelta): void {
    for (const kind of ['services', 'middlewares', 'routers', 'certificates'] as const) {
      const changes = delta[kind]
      const live: Map<string, object> = this[kind]
      for (const value of changes?.set ?? []) live.set(value.name, value)
      for (const name of changes?.remove ?? []) {
        if (!live.delete(name)) throw new Error(`${kind}: ${name} was removed but never set`)
      }
    }
  }
}

/** JSON with what differs from case to case: origins and defaults are left out, places are `line:column`. */
export function summary(state: Accumulated, findings: readonly Finding[]): string {
  const result = {
    routers: sorted(state.routers, (router) => ({
      match: `${hostText(router)}${pathText(router.path)}`,
      ...(router.order.rank === 0 ? {} : { rank: router.order.rank }),
      ...optional('entryPoints', router.entryPoints),
      ...optional('hostMode', router.hostMode),
      ...(router.scheme === 'both' ? {} : { scheme: router.scheme }),
      ...(router.middlewares.length === 0 ? {} : { middlewares: router.middlewares }),
      ...optional('service', router.service),
      ...optional('closed', router.closed),
      ...(router.headerSet === 'default' ? {} : { headerSet: router.headerSet }),
    })),
    services: sorted(state.services, (service) => without(service, ['name', 'origin'])),
    middlewares: sorted(state.middlewares, (middleware) => without(middleware, ['name', 'origin'])),
    certificates: sorted(state.certificates, (certificate) => without(certificate, ['name', 'origin'])),
    findings: findings.map((finding) => {
      const place = finding.place === undefined ? '' : ` at ${finding.place.line}:${finding.place.column}`
      const hint = finding.hint === undefined ? '' : ` (${finding.hint})`
      return `${finding.severity} ${finding.code}${place}: ${finding.object}: ${finding.message}${hint}`
    }),
  }
  return `${JSON.stringify(result, null, 2)}\n`
}

function sorted<T>(map: ReadonlyMap<string, T>, print: (value: T) => unknown): Record<string, unknown> {
  const entries = [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, value]) => [name, print(value)]))
}

function hostText(router: RouterConfig): string {
  const { host } = router
  return host.kind === 'any' ? '*' : host.kind === 'exact' ? host.name : `*.${host.name}`
}

function pathText(path: PathMatch): string {
  return path.kind === 'any' ? ' any path' : ` ${path.kind} ${path.value}`
}

function optional(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value }
}

function without(value: object, names: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))
}
