/**
 * For tests: a small API server in memory over real sockets. Collections of any resource come into being as they are used.
 * It does what the client relies on: resource versions, pages with continue tokens, watches from a version with
 * bookmarks, streaming lists, 410 after `compact`, conflicts, merge patches, status as a sub-resource, server-side apply
 * with owners of top-level spec and data fields; of selectors `a=b,c=d` for labels and names. Knobs make it slow, refuse, cut, and stay silent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Waiter } from '#net/transport/transport.fixture.ts'
import type { ClusterAccess } from './access.ts'
import { KubeClient, type KubeClientOptions } from './client.ts'
import { PlainCredentials } from './credentials.ts'
import type { Resource } from './resource.ts'

export interface FakeObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace?: string
    uid?: string
    resourceVersion?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    managedFields?: unknown
    [field: string]: unknown
  }
  [field: string]: unknown
}

export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown> | undefined
}

/** What to do with a request instead of serving it; undefined: serve it. */
export type Intercept = (seen: Seen, response: ServerResponse) => boolean | Promise<boolean>

interface Entry {
  readonly version: number
  readonly collection: string
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: FakeObject
  readonly before: FakeObject | undefined
}

interface Watcher {
  readonly collection: string
  readonly isSelected: Selected
  readonly response: ServerResponse
  readonly hasBookmarks: boolean
}

type Selected = (object: FakeObject) => boolean

interface Target {
  /** `apis/networking.k8s.io/v1/ingresses`. */
  readonly collection: string
  readonly apiVersion: string
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

export class FakeApiServer extends Waiter {
  readonly seen: Seen[] = []
  readonly sockets = new Set<Socket>()
  readonly objects = new Map<string, Map<string, FakeObject>>()
  hasStreamingLists = true
  /** Undefined: a token is not needed. */
  token: string | undefined
  intercept: Intercept | undefined
  connections = 0
  readonly #server: Server
  readonly #isTls: boolean
  readonly #clients: KubeClient[] = []
  #version = 1000
  #compacted = 1000
  #log: Entry[] = []
  readonly #watchers = new Set<Watcher>()
  readonly #owners = new Map<string, string>()

  constructor(tls?: ServerOptions) {
    super()
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error))
    }
    this.#isTls = tls !== undefined
    this.#server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.connections++
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    this.#server.once('listening', () => this.happened())
    await this.until(() => this.#server.listening, 'the server to listen')
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get version(): string {
    return String(this.#version)
  }

  get watchers(): number {
    return this.#watchers.size
  }

  access(changes: Partial<ClusterAccess> = {}): ClusterAccess {
    return {
      server: { isTls: this.#isTls, host: '127.0.0.1', port: this.port, basePath: '' },
      namespace: 'default',
      origin: 'test',
      proxy: undefined,
      tls: { serverName: undefined, verify: true, authorities: () => undefined },
      credentials: new PlainCredentials({ kind: 'none' }),
      headers: [],
      ...changes,
    }
  }

  /** Closed with the server. */
  client(options: Partial<KubeClientOptions> = {}, changes: Partial<ClusterAccess> = {}): KubeClient {
    const client = new KubeClient(this.access(changes), { userAgent: 'sekisho/test', ...options })
    this.#clients.push(client)
    return client
  }

  count(method: string, text: string): number {
    return this.seen.filter(
      (seen) => seen.method === method && `${seen.path}?${seen.query.toString()}`.includes(text),
    ).length
  }

  /** Puts an object there, as somebody else would. */
  put(collection: string, object: FakeObject): FakeObject {
    return this.#store(collection, object)
  }

  remove(collection: string, namespace: string, name: string): void {
    this.#delete(collection, keyOf(namespace, name))
  }

  /** All objects of a collection. */
  all(collection: string): FakeObject[] {
    return [...(this.objects.get(collection)?.values() ?? [])]
  }

  /** Ends every watch, orderly or by a reset in the middle of it. */
  cutWatches(how: 'end' | 'reset' = 'reset'): void {
    for (const watcher of this.#watchers) {
      if (how === 'end') watcher.response.end()
      else watcher.response.socket?.resetAndDestroy()
    }
    this.#watchers.clear()
  }

  /** Forgets what happened: versions from before are too old. */
  compact(): void {
    this.#version++
    this.#compacted = this.#version
    this.#log = []
  }

  /** To all watches. */
  bookmark(): void {
    for (const watcher of this.#watchers) if (watcher.hasBookmarks) this.#sendBookmark(watcher, {})
  }

  /** Anything, to all watches. */
  sendRaw(text: string): void {
    for (const watcher of this.#watchers) watcher.response.write(text)
  }

  async watching(count = 1): Promise<void> {
    await this.until(() => this.#watchers.size >= count, `${count} watches`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://server')
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>)
    const { method = '', headers } = request
    const seen: Seen = { method, path: url.pathname, query: url.searchParams, headers, body }
    this.seen.push(seen)
    this.happened()
    if ((await this.intercept?.(seen, response)) === true) return
    if (this.token !== undefined && headers.authorization !== `Bearer ${this.token}`) {
      sendStatus(response, 401, 'Unauthorized', 'Unauthorized')
      return
    }
    if (url.pathname === '/version') {
      sendJson(response, 200, { major: '1', minor: '37', gitVersion: 'v1.37.1' })
      return
    }
    const target = targetOf(url.pathname)
    if (target === undefined)
      sendStatus(response, 404, 'NotFound', 'the server could not find the requested resource')
    else if (url.searchParams.get('watch') === 'true') this.#watch(target, seen, response)
    else if (method === 'GET') this.#get(target, seen, response)
    else this.#change(target, seen, response)
  }

  #get(target: Target, seen: Seen, response: ServerResponse): void {
    if (target.name !== '') {
      const object = this.objects.get(target.collection)?.get(keyOf(target.namespace, target.name))
      if (object === undefined) sendStatus(response, 404, 'NotFound', `"${target.name}" not found`)
      else sendJson(response, 200, object)
      return
    }
    const [from = 0, version = this.#version] = (seen.query.get('continue') ?? '')
      .split(':')
      .filter(Boolean)
      .map(Number)
    if (version < this.#compacted) {
      sendStatus(response, 410, 'Expired', 'the provided continue parameter is too old')
      return
    }
    const limit = Number(seen.query.get('limit') ?? Number.MAX_SAFE_INTEGER)
    const selected = this.all(target.collection).filter(selection(target.namespace, seen.query))
    const end = from + limit
    const metadata = {
      resourceVersion: String(version),
      ...(end < selected.length ? { continue: `${end}:${version}` } : {}),
    }
    // As in a real list, the items do not say what they are.
    const items = selected.slice(from, end).map(({ apiVersion: _v, kind: _k, ...rest }) => rest)
    sendJson(response, 200, { kind: 'List', apiVersion: target.apiVersion, metadata, items })
  }

  #watch(target: Target, { query }: Seen, response: ServerResponse): void {
    const isStreaming = query.get('sendInitialEvents') === 'true'
    if (isStreaming && !this.hasStreamingLists) {
      sendStatus(response, 422, 'Invalid', 'sendInitialEvents: Forbidden: the feature is off')
      return
    }
    const hasBookmarks = query.get('allowWatchBookmarks') === 'true'
    const watcher: Watcher = {
      collection: target.collection,
      isSelected: selection(target.namespace, query),
      response,
      hasBookmarks,
    }
    const version = Number(query.get('resourceVersion') ?? 0)
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.flushHeaders()
    if (isStreaming) {
      for (const object of this.all(target.collection)) this.#send(watcher, 'ADDED', object)
      this.#sendBookmark(watcher, { 'k8s.io/initial-events-end': 'true' })
    } else if (version < this.#compacted) {
      const status = statusOf(410, 'Expired', `too old resource version: ${version} (${this.#compacted})`)
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
      return
    } else {
      for (const entry of this.#log)
        if (entry.version > version && entry.collection === target.collection) this.#sendEntry(watcher, entry)
    }
    this.#watchers.add(watcher)
    response.on('close', () => {
      this.#watchers.delete(watcher)
      this.happened()
    })
    this.happened()
  }

  #send(watcher: Watcher, type: Entry['type'], object: FakeObject): void {
    if (watcher.isSelected(object)) watcher.response.write(`${JSON.stringify({ type, object })}\n`)
  }

  /** What begins or ceases to be selected is added or deleted for the one who watches. */
  #sendEntry(watcher: Watcher, { type, object, before }: Entry): void {
    const isNow = type !== 'DELETED' && watcher.isSelected(object)
    const wasBefore = before !== undefined && watcher.isSelected(before)
    if (isNow) this.#send(watcher, wasBefore ? 'MODIFIED' : 'ADDED', object)
    else if (wasBefore) watcher.response.write(`${JSON.stringify({ type: 'DELETED', object })}\n`)
  }

  #sendBookmark(watcher: Watcher, annotations: Record<string, string>): void {
    const object = { kind: 'Any', metadata: { resourceVersion: this.version, annotations } }
    watcher.response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  #change(target: Target, { method, headers, body, query }: Seen, response: ServerResponse): void {
    const key = keyOf(target.namespace, target.name)
    const present = this.objects.get(target.collection)?.get(key)
    if (method === 'POST') {
      const given = body as unknown as FakeObject
      const newKey = keyOf(target.namespace, given.metadata.name)
      if (this.objects.get(target.collection)?.has(newKey) === true) {
        sendStatus(response, 409, 'AlreadyExists', `"${given.metadata.name}" already exists`)
        return
      }
      sendJson(response, 201, this.#store(target.collection, given))
      return
    }
    const isApply = headers['content-type'] === 'application/apply-patch+yaml'
    if (present === undefined && !isApply) {
      sendStatus(response, 404, 'NotFound', `"${target.name}" not found`)
      return
    }
    const given = (body ?? {}) as { metadata?: { resourceVersion?: string; uid?: string } }
    const asked = method === 'DELETE' ? undefined : given.metadata?.resourceVersion
    if (asked !== undefined && asked !== present?.metadata.resourceVersion) {
      sendStatus(response, 409, 'Conflict', 'the object has been modified')
      return
    }
    if (method === 'DELETE') {
      this.#delete(target.collection, key)
      sendJson(response, 200, statusOf(200, '', 'deleted'))
    } else if (isApply) {
      this.#apply(target, body as unknown as FakeObject, present, query, response)
    } else {
      const next = method === 'PUT' ? (body as unknown as FakeObject) : (merged(present, body) as FakeObject)
      // The sub-resource changes status only, the object everything else.
      const isStatus = target.subresource === 'status'
      const result = isStatus
        ? { ...present!, status: next['status'] }
        : { ...next, ...pick(present!, 'status') }
      sendJson(response, 200, this.#store(target.collection, result))
    }
  }

  #apply(
    target: Target,
    given: FakeObject,
    present: FakeObject | undefined,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const manager = query.get('fieldManager') ?? ''
    const fields = Object.entries((given['spec'] ?? given['data'] ?? {}) as Record<string, unknown>)
    const base = `${target.collection}/${keyOf(target.namespace, target.name)}`
    const before = (present?.['spec'] ?? present?.['data'] ?? {}) as Record<string, unknown>
    for (const [field, value] of fields) {
      const owner = this.#owners.get(`${base}/${field}`) ?? manager
      if (owner === manager || query.get('force') === 'true' || before[field] === value) continue
      sendStatus(
        response,
        409,
        'Conflict',
        `Apply failed with 1 conflict: conflict with "${owner}": .${field}`,
      )
      return
    }
    for (const [field] of fields) this.#owners.set(`${base}/${field}`, manager)
    const next = merged(present ?? {}, given) as FakeObject
    sendJson(response, present === undefined ? 201 : 200, this.#store(target.collection, next))
  }

  #store(collection: string, object: FakeObject): FakeObject {
    let objects = this.objects.get(collection)
    if (objects === undefined) {
      objects = new Map()
      this.objects.set(collection, objects)
    }
    const { namespace = '', name } = object.metadata
    const key = keyOf(namespace, name)
    const present = objects.get(key)
    const uid = present?.metadata.uid ?? object.metadata.uid ?? `uid-${this.#version}`
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, resourceVersion: String(++this.#version) },
    }
    objects.set(key, stored)
    this.#note(collection, present === undefined ? 'ADDED' : 'MODIFIED', stored, present)
    return stored
  }

  #delete(collection: string, key: string): void {
    const object = this.objects.get(collection)?.get(key)
    if (object === undefined) return
    this.objects.get(collection)?.delete(key)
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.#note(collection, 'DELETED', last, object)
  }

  #note(collection: string, type: Entry['type'], object: FakeObject, before: FakeObject | undefined): void {
    const entry = { version: this.#version, collection, type, object, before }
    this.#log.push(entry)
    for (const watcher of this.#watchers)
      if (watcher.collection === collection) this.#sendEntry(watcher, entry)
    this.happened()
  }
}

export function sendStatus(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers = {},
): void {
  sendJson(response, code, statusOf(code, reason, message), headers)
}

export function sendJson(response: ServerResponse, code: number, body: unknown, headers = {}): void {
  response.writeHead(code, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function statusOf(code: number, reason: string, message: string): unknown {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    status: code < 300 ? 'Success' : 'Failure',
    code,
    reason,
    message,
  }
}

/** `/apis/GROUP/VERSION[/namespaces/NS]/PLURAL[/NAME[/SUB]]`. */
function targetOf(path: string): Target | undefined {
  const parts = path.slice(1).split('/').map(decodeURIComponent)
  const head = parts[0] === 'api' ? 2 : 3
  const rest = parts.slice(head)
  const isNamespaced = rest[0] === 'namespaces' && rest.length >= 3
  const [plural, name = '', subresource = ''] = isNamespaced ? rest.slice(2) : rest
  if (plural === undefined || plural === '') return undefined
  const root = parts.slice(0, head)
  return {
    collection: [...root, plural].join('/'),
    apiVersion: root.slice(1).join('/'),
    namespace: isNamespaced ? (rest[1] ?? '') : '',
    name,
    subresource,
  }
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

/** Of a request: its namespace, `labelSelector`, and `metadata.name` of `fieldSelector`. */
function selection(namespace: string, query: URLSearchParams): Selected {
  const pairs = (name: string): [string, string][] =>
    (query.get(name) ?? '')
      .split(',')
      .filter(Boolean)
      .map((term) => term.split('=') as [string, string])
  const labels = pairs('labelSelector')
  const names = pairs('fieldSelector').filter(([field]) => field === 'metadata.name')
  return ({ metadata }) =>
    (namespace === '' || metadata.namespace === namespace) &&
    labels.every(([label, value]) => metadata.labels?.[label] === value) &&
    names.every(([, name]) => metadata.name === name)
}

/** RFC 7396. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = {
    ...(typeof target === 'object' && !Array.isArray(target) ? target : {}),
  }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  }
  return result
}

function pick(object: FakeObject, field: string): Record<string, unknown> {
  return field in object ? { [field]: object[field] } : {}
}

/** What the tests keep in the server. */
export const INGRESSES: Resource = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'ingresses',
  kind: 'Ingress',
  isNamespaced: true,
}
export const INGRESS_COLLECTION = 'apis/networking.k8s.io/v1/ingresses'
export const INGRESS_PATH = `/${INGRESS_COLLECTION}`

export function ingress(name: string, spec: unknown = {}, namespace = 'shop'): FakeObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, namespace }, spec }
}
