/**
 * Requests to one API server: one object, lists in pages, watches, and every way to write. Answers with an error are
 * KubeErrors; 401 asks for the credentials once more; an answer that says when to come back (429, and 5xx with
 * Retry-After) is obeyed within the time of the request. Nothing else is repeated here: reflector, election and status
 * writing have their own ways to go on.
 */
import { isIP } from 'node:net'
import type { ClusterAccess } from './access.ts'
import { asKubeError, errorOfStatus, KubeError } from './errors.ts'
import type { KubeList, KubeObject } from './objects.ts'
import { apiVersionOf, collectionPath, objectPath, type ObjectName, type Resource } from './resource.ts'
import { sleep, SYSTEM_TIMERS, type Timers } from './timers.ts'
import { dial, type DialTls } from './transport/dial.ts'
import { HttpClient } from './transport/http-client.ts'
import type { HttpResponse } from './transport/http-response.ts'
import { WatchStream } from './watch-stream.ts'

const REQUEST_MS = 30_000
/** Objects in one page: about a megabyte of Ingresses, some milliseconds to parse. */
export const PAGE_SIZE = 500
const MAX_ANSWER_BYTES = 512 * 1024 * 1024
const MAX_ERROR_BYTES = 1024 * 1024
/** Times that a request waits as it is told to. */
const MAX_WAITS = 10
const MAX_REQUESTS = 16
/** Those who wait for the server come back within this time behind its first answer. */
const FOUND_AGAIN_MS = 200

export interface KubeClientOptions {
  /** `sekisho/VERSION`. */
  readonly userAgent: string
  readonly timers?: Timers
  /** For one request with all its waiting; watches: until the answer begins. */
  readonly requestMs?: number
  /** Requests under way at a time, watches not counted. */
  readonly maxRequests?: number
}

/** What may be said with any request. */
export interface CallOptions {
  readonly signal?: AbortSignal
  /** Instead of the client's. */
  readonly requestMs?: number
}

export interface Selection extends CallOptions {
  /** Undefined or `''`: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Only `metadata` of each object (PartialObjectMetadata). */
  readonly isMetadataOnly?: boolean
}

export interface ListOptions extends Selection {
  /** Objects in a page; 0: all in one answer. */
  readonly limit?: number
  readonly continueToken?: string
  readonly resourceVersion?: string
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan'
}

export interface WatchOptions extends Selection {
  /** Where to go on from; undefined with `sendInitialEvents`: the newest state. */
  readonly resourceVersion?: string
  /** First all objects, then a bookmark with INITIAL_EVENTS_END (KEP-3157). */
  readonly sendInitialEvents?: boolean
  /** When the server shall end the watch. */
  readonly timeoutSeconds?: number
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager?: string
  readonly isDryRun?: boolean
  /** `status`. */
  readonly subresource?: string
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string
  /** Takes over fields that others own. */
  readonly force?: boolean
}

export interface DeleteOptions extends CallOptions {
  /** Only this very object. */
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  readonly gracePeriodSeconds?: number
}

export type PatchType = 'json' | 'merge' | 'strategic'

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}
const APPLY_TYPE = 'application/apply-patch+yaml'
const METADATA_AS = 'g=meta.k8s.io;v=v1'

type Query = Readonly<Record<string, string | number | boolean | undefined>>

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Query
  readonly body?: unknown
  readonly contentType?: string
  readonly accept?: string
  readonly isStream?: boolean
  /** Sending it twice is as good as once; GET is. */
  readonly isRepeatable?: boolean
}

export class KubeClient {
  readonly access: ClusterAccess
  readonly timers: Timers
  readonly #http: HttpClient
  readonly #requestMs: number
  readonly #userAgent: string
  /** For the server to answer somebody. */
  readonly #waiting = new Set<() => void>()

  constructor(access: ClusterAccess, options: KubeClientOptions) {
    this.access = access
    this.timers = options.timers ?? SYSTEM_TIMERS
    this.#requestMs = options.requestMs ?? REQUEST_MS
    this.#userAgent = options.userAgent
    const { credentials, server, proxy, tls } = access
    this.#http = new HttpClient({
      generation: () => credentials.generation,
      timers: this.timers,
      maxRequests: options.maxRequests ?? MAX_REQUESTS,
      dial: async (signal) => {
        const certificate = server.isTls ? await credentials.clientCertificate() : undefined
        const { generation } = credentials
        const secure = server.isTls
          ? dialTls(tls.serverName, tls.verify, tls.authorities(), certificate)
          : undefined
        const { host, port } = server
        return { socket: await dial({ host, port, tls: secure, proxy }, signal), generation }
      },
    })
  }

  /** Ends all requests and watches. */
  close(): void {
    this.#http.close()
  }

  /**
   * Waits for `ms` after a request that the server did not answer; shorter when it answers another one of this client: then
   * all who lost it together go on, spread over a moment. Ends at once when the signal aborts.
   */
  async untilAnswering(ms: number, signal: AbortSignal): Promise<void> {
    const startedAt = this.timers.now()
    await this.#anyAnswer(ms, signal)
    const left = ms - (this.timers.now() - startedAt)
    const moment = (FOUND_AGAIN_MS / 2) * (1 + this.timers.random())
    if (left > 0) await sleep(this.timers, Math.min(left, moment), signal)
  }

  /** What `/version` says: `gitVersion` and others. */
  version(
    options: CallOptions = {},
  ): Promise<{ readonly gitVersion: string; readonly major: string; readonly minor: string }> {
    return this.#json({ method: 'GET', path: '/version' }, options)
  }

  get<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    options: CallOptions & { readonly isMetadataOnly?: boolean } = {},
  ): Promise<T> {
    const accept =
      options.isMetadataOnly === true ? `application/json;as=PartialObjectMetadata;${METADATA_AS}` : undefined
    return this.#json(
      { method: 'GET', path: objectPath(resource, name), ...(accept === undefined ? {} : { accept }) },
      options,
    )
  }

  /** One page, or all where `limit` is 0 or not given. */
  async list<T extends KubeObject>(resource: Resource, options: ListOptions = {}): Promise<KubeList<T>> {
    const { limit, continueToken, resourceVersion, resourceVersionMatch } = options
    const query = {
      ...selectionQuery(options),
      limit: limit === 0 ? undefined : limit,
      continue: continueToken === '' ? undefined : continueToken,
      resourceVersion,
      resourceVersionMatch,
    }
    const accept =
      options.isMetadataOnly === true
        ? `application/json;as=PartialObjectMetadataList;${METADATA_AS}`
        : undefined
    const path = collectionPath(resource, options.namespace)
    const answer = await this.#json<unknown>(
      { method: 'GET', path, query, ...(accept === undefined ? {} : { accept }) },
      options,
    )
    return readList<T>(answer, resource, `GET ${path}`)
  }

  /** Pages until the last. Rejects with an expired error when the list took longer than the server remembers. */
  async *pages<T extends KubeObject>(
    resource: Resource,
    options: ListOptions = {},
  ): AsyncGenerator<KubeList<T>> {
    const { resourceVersion: _version, resourceVersionMatch: _match, ...rest } = options
    let page = await this.list<T>(resource, { limit: PAGE_SIZE, ...options })
    yield page
    while (page.continueToken !== '') {
      // The token holds the version; giving both is an error.
      page = await this.list<T>(resource, { limit: PAGE_SIZE, ...rest, continueToken: page.continueToken })
      yield page
    }
  }

  /** Resolves when the server has accepted the watch. Abort the signal, or cancel the stream, to end it. */
  async watch<T extends KubeObject>(resource: Resource, options: WatchOptions = {}): Promise<WatchStream<T>> {
    const { resourceVersion, sendInitialEvents, timeoutSeconds } = options
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      ...selectionQuery(options),
      resourceVersion,
      ...(sendInitialEvents === true
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
        : {}),
      timeoutSeconds,
    }
    const path = collectionPath(resource, options.namespace)
    const accept =
      options.isMetadataOnly === true ? `application/json;as=PartialObjectMetadata;${METADATA_AS}` : undefined
    const call: Call = {
      method: 'GET',
      path,
      query,
      isStream: true,
      ...(accept === undefined ? {} : { accept }),
    }
    const response = await this.#call(call, options)
    return new WatchStream<T>(response, this.timers, `watch ${path}`)
  }

  create<T extends KubeObject>(resource: Resource, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace } = object.metadata
    if (resource.isNamespaced && !namespace)
      throw new TypeError(`${resource.kind} ${object.metadata.name}: a namespace is needed`)
    const path = collectionPath(resource, namespace)
    return this.#json(
      { method: 'POST', path, query: writeQuery(options), body: typed(resource, object) },
      options,
    )
  }

  /** PUT. With `metadata.resourceVersion` only onto that version. */
  replace<T extends KubeObject>(resource: Resource, object: T, options: WriteOptions = {}): Promise<T> {
    const path = objectPath(resource, object.metadata, options.subresource)
    return this.#json(
      { method: 'PUT', path, query: writeQuery(options), body: typed(resource, object) },
      options,
    )
  }

  patch<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    type: PatchType,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<T> {
    const path = objectPath(resource, name, options.subresource)
    const contentType = PATCH_TYPES[type]
    return this.#json(
      { method: 'PATCH', path, query: writeQuery(options), body: patch, contentType },
      options,
    )
  }

  /** Server-side apply: creates the object where it is not there; fields once applied and now left out are removed. */
  apply<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<T> {
    const path = objectPath(resource, object.metadata, options.subresource)
    const query = { ...writeQuery(options), force: options.force === true ? true : undefined }
    // JSON is YAML.
    const call = {
      method: 'PATCH',
      path,
      query,
      body: typed(resource, object),
      contentType: APPLY_TYPE,
    } as const
    return this.#json({ ...call, isRepeatable: true }, options)
  }

  /**
   * POST to a sub-resource of one object (`token` of a service account, `eviction` of a pod). What is sent has a type of its
   * own, so it says apiVersion and kind itself.
   */
  post<T>(
    resource: Resource,
    name: ObjectName,
    subresource: string,
    body: { readonly apiVersion: string; readonly kind: string },
    options: CallOptions = {},
  ): Promise<T> {
    return this.#json({ method: 'POST', path: objectPath(resource, name, subresource), body }, options)
  }

  /** The object, or the Status that the server answers with. */
  delete(resource: Resource, name: ObjectName, options: DeleteOptions = {}): Promise<unknown> {
    const { uid, resourceVersion, propagationPolicy, gracePeriodSeconds } = options
    const hasConditions = uid !== undefined || resourceVersion !== undefined
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(hasConditions ? { preconditions: { uid, resourceVersion } } : {}),
      propagationPolicy,
      gracePeriodSeconds,
    }
    return this.#json({ method: 'DELETE', path: objectPath(resource, name), body }, options)
  }

  #anyAnswer(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#waiting.delete(end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.timers.after(ms, end)
      this.#waiting.add(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  async #json<T>(call: Call, options: CallOptions): Promise<T> {
    const response = await this.#call(call, options)
    const action = `${call.method} ${call.path}`
    let text: string
    try {
      text = await response.text(MAX_ANSWER_BYTES)
    } catch (error) {
      const failure = asKubeError(error, action)
      throw new KubeError(failure.code, failure.reason, `${action}: ${failure.message}`, { cause: error })
    }
    try {
      return JSON.parse(text) as T
    } catch {
      // JSON.parse quotes what it could not read, and that may be a Secret.
      throw new KubeError(0, 'BadAnswer', `${action}: the answer is not JSON`)
    }
  }

  /** A successful answer. The time for it counts until its end, for a stream until its head. */
  async #call(call: Call, options: CallOptions): Promise<HttpResponse> {
    const action = `${call.method} ${call.path}`
    const deadline = new AbortController()
    const cancelTimer = this.timers.after(options.requestMs ?? this.#requestMs, () => {
      deadline.abort(new KubeError(0, 'Deadline', `${action}: no answer in time`))
    })
    const signal =
      options.signal === undefined ? deadline.signal : AbortSignal.any([options.signal, deadline.signal])
    try {
      const response = await this.#attempts(call, action, signal)
      if (call.isStream === true) cancelTimer()
      else response.whenOver(cancelTimer)
      return response
    } catch (error) {
      cancelTimer()
      throw error
    }
  }

  async #attempts(call: Call, action: string, signal: AbortSignal): Promise<HttpResponse> {
    let hasRefreshed = false
    for (let waits = 0; ;) {
      const response = await this.#send(call, action, signal)
      if (response.status < 300) return response
      const error = await readError(response, action)
      if (error.code === 401 && !hasRefreshed && this.access.credentials.rejected()) {
        hasRefreshed = true
        continue
      }
      const mayWait = error.retryAfterMs !== undefined && (error.code === 429 || error.code >= 500)
      if (!mayWait || waits >= MAX_WAITS) throw error
      waits++
      const delay = error.retryAfterMs * (1 + 0.1 * this.timers.random())
      if (!(await sleep(this.timers, delay, signal))) throw error
    }
  }

  async #send(call: Call, action: string, signal: AbortSignal): Promise<HttpResponse> {
    const authorization = await this.access.credentials.authorization()
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body))
    const head = this.#requestHead(call, authorization)
    const isRepeatable = call.isRepeatable ?? call.method === 'GET'
    const options = { isStream: call.isStream === true, isRepeatable, signal }
    try {
      const response = await this.#http.send({ method: call.method, head, body }, options)
      // One that has trouble itself has nothing for others either.
      if (response.status < 500) for (const end of this.#waiting) end()
      return response
    } catch (error) {
      const failure = asKubeError(error, action)
      if (failure.message.startsWith(action)) throw failure
      throw new KubeError(failure.code, failure.reason, `${action}: ${failure.message}`, { cause: failure })
    }
  }

  #requestHead(call: Call, authorization: string | undefined): string {
    const { server, headers } = this.access
    const host = isIP(server.host) === 6 ? `[${server.host}]` : server.host
    let text = `${call.method} ${server.basePath}${call.path}${queryText(call.query)} HTTP/1.1\r\n`
    text += `Host: ${host}:${server.port}\r\nUser-Agent: ${this.#userAgent}\r\nAccept: ${call.accept ?? 'application/json'}\r\n`
    if (call.body !== undefined) text += `Content-Type: ${call.contentType ?? 'application/json'}\r\n`
    if (authorization !== undefined) text += `Authorization: ${authorization}\r\n`
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`
    return text
  }
}

function dialTls(
  serverName: string | undefined,
  verify: boolean,
  ca: string | undefined,
  certificate: { readonly certificate: string; readonly key: string } | undefined,
): DialTls {
  return {
    serverName,
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate: certificate.certificate, key: certificate.key }),
  }
}

function selectionQuery(selection: Selection): Query {
  const { labelSelector, fieldSelector } = selection
  return { labelSelector: labelSelector || undefined, fieldSelector: fieldSelector || undefined }
}

function writeQuery(options: WriteOptions): Query {
  return { fieldManager: options.fieldManager, dryRun: options.isDryRun === true ? 'All' : undefined }
}

function queryText(query: Query | undefined): string {
  if (query === undefined) return ''
  const parts: string[] = []
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parts.push(`${name}=${encodeURIComponent(value)}`)
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

/** Server-side apply and creation need both fields. */
function typed(resource: Resource, object: KubeObject): KubeObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }
}

function readList<T extends KubeObject>(answer: unknown, resource: Resource, action: string): KubeList<T> {
  const list = answer as {
    items?: unknown
    metadata?: { resourceVersion?: unknown; continue?: unknown }
  } | null
  const items = list?.items ?? []
  const version = list?.metadata?.resourceVersion
  if (!Array.isArray(items) || typeof version !== 'string')
    throw new KubeError(0, 'BadAnswer', `${action}: the answer is not a list`)
  const apiVersion = apiVersionOf(resource)
  for (const item of items as { apiVersion?: string; kind?: string }[]) {
    // Objects in a list leave out what the list says already.
    item.apiVersion ??= apiVersion
    item.kind ??= resource.kind
  }
  const token = list?.metadata?.continue
  return {
    items: items as T[],
    resourceVersion: version,
    continueToken: typeof token === 'string' ? token : '',
  }
}

async function readError(response: HttpResponse, action: string): Promise<KubeError> {
  const { status } = response
  const seconds = Number(response.header('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
  if (status < 400) {
    response.cancel()
    return new KubeError(
      0,
      'BadAnswer',
      `${action}: the server answered ${status}; redirects are not followed`,
    )
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(await response.text(MAX_ERROR_BYTES))
  } catch {
    // A proxy's page, or an answer that was cut: the status tells enough.
  }
  return errorOfStatus(status, parsed, action, retryAfterMs)
}
