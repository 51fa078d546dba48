/**
 * The life of one request between a downstream and a server (ARCHITECTURE.md): checks, route, filters, attempts,
 * response, end. Knows no protocol: the client's side is a Downstream, the server's an Attempt.
 *
 * Invariants: `#finish` runs exactly once; after it nothing is sent. A failure before the response head becomes an
 * answer, one behind it cuts the response.
 */
import type { ConnectionFacts } from '#net/connection.ts'
import type { Http1Client } from '#client/http1-client.ts'
import { FAIL_CLOSED, FAIL_LOCAL, isConnectFailure } from '#client/failure.ts'
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE } from '#wire/http1/body-reader.ts'
import { TARGET_ORIGIN, type Head } from '#wire/http1/head.ts'
import { H_DATE, H_SERVER } from '#wire/http1/known-names.ts'
import {
  BAD_HOST,
  BAD_PATH,
  BODY_TOO_LARGE,
  CLIENT_GONE,
  CONNECT_REFUSED,
  errorOfFailure,
  INTERNAL,
  METHOD_NOT_ALLOWED,
  NO_ROUTE,
  NO_SERVER,
  OVERLOADED,
  ROUTE_CLOSED,
  UPSTREAM_PROTOCOL,
  type ProxyErrorKind,
} from '../errors.ts'
import type { Filter } from '../middleware/middleware.ts'
import { normalizeHost } from '../router/host.ts'
import { normalizePath } from '../router/path.ts'
import type { Route } from '../route.ts'
import type { Server } from '../upstream/server.ts'
import { Attempt } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import type { Downstream } from './downstream.ts'
import type { EntryPoint } from './entry-point.ts'
import type { Exchange, Reply } from './exchange.ts'
import { FieldList, type OutgoingFields } from './field-list.ts'
import {
  addTrustedFields,
  alignHost,
  cleanRequest,
  clientBehind,
  connectionFieldLines,
  HEADER_SETS,
  plainContentLength,
  removeHeaderSet,
  removeHopByHop,
  type ClientFacts,
} from './forwarding.ts'
import { errorReply } from './reply.ts'
import { RequestBuffer } from './request-buffer.ts'

const NO_SERVERS: readonly Server[] = []
const NO_FILTERS: readonly Filter[] = []
const MAX_ATTEMPTS = 5
/** A request that ends servers must not end all of them. */
const MAX_MOVES = 2
const NO_LIMIT = Number.MAX_SAFE_INTEGER

/** In answers of servers that do not say who they are. Answers of our own do not say it either. */
const SERVER_LINE = 'Server: sekisho\r\n'

/** What a connection keeps from one request to the next so that it need not be worked out again. */
export interface ConnectionCache {
  authority: string
  host: string | null
  untrustedLines: string
}

export class ProxyExchange implements Exchange {
  readonly plane: DataPlane
  readonly entry: EntryPoint
  readonly downstream: Downstream
  readonly connection: ConnectionFacts
  readonly request: Head
  readonly requestMode: number
  readonly startedAt: number
  /** performance.now() when the head was complete; 0 when nobody asks. */
  readonly startedTick: number
  clientAddress: string
  isTrustedPeer: boolean
  scheme: 'http' | 'https'
  requestId = ''
  host = ''
  path = ''
  query: string
  route: Route | null = null
  attempt: Attempt | null = null
  /** Server of the last attempt. */
  lastServer: Server | null = null
  /** Tries so far. */
  attempts = 0
  requestBodyBytes = 0
  responseBodyBytes = 0
  /** Status sent to the client; 0 while there is none. */
  status = 0
  /** Status of the server; 0 when none answered. */
  originStatus = 0
  /** performance.now() at which the request went to the server and its head came back. */
  originStartedTick = 0
  originHeadTick = 0
  error: ProxyErrorKind | null = null
  errorDetail = ''
  isTunnel = false
  /** Set-Cookie of a sticky session, made by the selection that led to the present attempt. */
  cookieToSet: string | undefined = undefined
  responseFields: OutgoingFields | null = null
  readonly #cache: ConnectionCache
  #forwardPath = ''
  #isRewritten = false
  #maxBodyBytes: number
  #tried: Server[] | null = null
  /** How often the request went to another server because a new connection was closed without an answer. */
  #moves = 0
  #buffer: RequestBuffer | null = null
  #canReplay = true
  #isRequestDone: boolean
  #requestTrailers: readonly string[] | null = null
  #hasResponseHead = false
  #isFinished = false
  #ranFilters = 0
  #requestText = ''
  #upgradeToken = ''

  constructor(
    plane: DataPlane,
    entryPoint: EntryPoint,
    downstream: Downstream,
    facts: ConnectionFacts,
    request: Head,
    requestMode: number,
    cache: ConnectionCache,
  ) {
    this.plane = plane
    this.entry = entryPoint
    this.downstream = downstream
    this.connection = facts
    this.request = request
    this.requestMode = requestMode
    this.startedAt = plane.clock.now
    this.startedTick = plane.observer.wantsDuration ? performance.now() : 0
    this.clientAddress = facts.remoteAddress
    this.isTrustedPeer = false
    this.scheme = facts.tls === undefined ? 'http' : 'https'
    this.query = request.query
    this.#cache = cache
    const limit = entryPoint.limits.maxRequestBodyBytes
    this.#maxBodyBytes = limit === 0 ? NO_LIMIT : limit
    this.#isRequestDone = requestMode === BODY_NONE
  }

  get entryPoint(): string {
    return this.entry.name
  }
  get method(): string {
    return this.request.method
  }
  get authority(): string {
    return this.request.host
  }
  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.request.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
  }
  get requestContentLength(): number {
    return this.requestMode === BODY_LENGTH
      ? this.request.contentLength
      : this.requestMode === BODY_NONE
        ? 0
        : -1
  }
  get originalTarget(): string {
    return this.request.path + this.request.query
  }
  get isFinished(): boolean {
    return this.#isFinished
  }
  get hasResponseHead(): boolean {
    return this.#hasResponseHead
  }
  /** Path and query as they go to the server. */
  get forwardTarget(): string {
    return this.#forwardPath + this.query
  }

  rewrite(path: string, query: string): void {
    this.#forwardPath = path
    this.query = query
    this.#isRewritten = true
  }

  limitRequestBody(maxBytes: number): void {
    if (maxBytes < this.#maxBodyBytes) this.#maxBodyBytes = maxBytes
  }

  /** Head complete: decides what becomes of the request. Body bytes follow by onRequestBody. */
  begin(): void {
    const { plane, request, entry: entryPoint } = this
    this.#learnClient(entryPoint)
    const host = this.#resolveHost()
    const { method } = request
    if (method === 'TRACE') return this.fail(METHOD_NOT_ALLOWED, '')
    if (method === 'CONNECT') return this.fail(CONNECT_REFUSED, '')
    if (entryPoint.isInternal) return this.#askControl()
    if (host === null) return this.fail(BAD_HOST, '')
    this.host = host
    const path = normalizePath(request.path)
    if (path === null) return this.fail(BAD_PATH, '')
    this.path = path
    this.#forwardPath = path
    if (plane.budget.isExceeded) {
      plane.budget.refused++
      return this.fail(OVERLOADED, '')
    }
    const route = plane.program.match(entryPoint.name, host, path, this.scheme === 'https')
    if (route === null) return this.fail(NO_ROUTE, '')
    this.route = route
    if (route.closed !== undefined) return this.fail(ROUTE_CLOSED, route.closed)
    if (route.chain !== null && this.#runRequestFilters(route.chain.request)) return
    if (this.requestContentLength > this.#maxBodyBytes) return this.fail(BODY_TOO_LARGE, '')
    if (route.service === null) return this.fail(NO_SERVER, '')
    this.#tryNext()
  }

  onRequestBody(buffer: Buffer, start: number, end: number): void {
    if (this.#isFinished) return
    this.requestBodyBytes += end - start
    if (this.requestBodyBytes > this.#maxBodyBytes) {
      this.#giveUpAttempt()
      this.fail(BODY_TOO_LARGE, '')
      return
    }
    const { attempt } = this
    if (attempt?.isReady !== true) {
      this.#keep(buffer, start, end)
      return
    }
    if (this.#canReplay && !this.#hasResponseHead) this.#keepForReplay(buffer, start, end)
    if (!attempt.client!.sendBody(buffer, start, end, this.downstream.connection)) {
      this.downstream.pauseRequest()
    }
  }

  onRequestEnd(trailers: readonly string[] | null): void {
    if (this.#isFinished) return
    this.#isRequestDone = true
    this.#requestTrailers = trailers
    if (this.attempt?.isReady === true) this.attempt.client!.endRequest(trailers)
  }

  /** The client closed or reset its side. */
  onClientGone(): void {
    if (this.#isFinished) return
    this.error = CLIENT_GONE
    if (this.status === 0) this.status = CLIENT_GONE.status
    this.#giveUpAttempt()
    this.#finish()
  }

  onDownstreamDrain(): void {
    this.attempt?.client?.resumeResponse()
  }

  onAttemptReady(attempt: Attempt, client: Http1Client): void {
    this.attempt = attempt
    const isChunked = this.requestMode === BODY_CHUNKED
    if (this.#requestText === '') this.#requestText = this.#buildRequest()
    if (this.plane.observer.wantsTimings) this.originStartedTick = performance.now()
    const buffer = this.#buffer
    // Head and what there is of the body in one write where that is possible at no cost.
    client.sendHead(this.request.method, this.#requestText, this.requestMode !== BODY_NONE, isChunked)
    if (this.requestMode === BODY_NONE) return
    if (buffer !== null) {
      for (const piece of buffer.pieces) client.sendBody(piece, 0, piece.length, this.downstream.connection)
      if (!this.#mayReplay()) buffer.drop()
    }
    if (this.#isRequestDone) client.endRequest(this.#requestTrailers)
    else if (client.connection!.queuedBytes === 0) this.downstream.resumeRequest()
  }

  onRequestDrain(): void {
    this.downstream.resumeRequest()
  }

  onInformational(head: Head): void {
    removeHopByHop(head)
    this.downstream.sendInformational(head)
  }

  onResponseHead(head: Head, mode: number): void {
    const { plane, route } = this
    const attempt = this.attempt!
    attempt.server.reportSuccess(plane.clock.now)
    this.#dropBuffer()
    this.#hasResponseHead = true
    this.originStatus = head.status
    this.status = head.status
    if (plane.observer.wantsTimings) this.originHeadTick = performance.now()
    removeHopByHop(head)
    if (head.contentLength >= 0) plainContentLength(head)
    if (head.indexOf(H_DATE) < 0) head.appendRaw(`Date: ${plane.clock.httpDate}\r\n`)
    // Conformance of Ingress controllers asks for one; a filter may take it away.
    if (head.indexOf(H_SERVER) < 0) head.appendRaw(SERVER_LINE)
    const { cookieToSet } = this
    if (cookieToSet !== undefined) head.append('Set-Cookie', cookieToSet)
    if (route!.chain !== null) this.#runResponseFilters(head)
    this.responseFields = head
    const statusLine =
      this.status === head.status && head.minorVersion === 1 ? head.text.slice(0, head.fieldsStart) : ''
    const length = mode === BODY_NONE ? 0 : mode === BODY_LENGTH ? head.contentLength : -1
    this.downstream.sendHead(statusLine, this.status, head, length)
  }

  onResponseBody(buffer: Buffer, start: number, end: number, from: Http1Client): void {
    this.responseBodyBytes += end - start
    if (!this.downstream.sendBody(buffer, start, end, from.connection!)) from.pauseResponse()
  }

  flush(): void {
    if (!this.#isFinished) this.downstream.flush()
  }

  onResponseEnd(trailers: readonly string[] | null): void {
    this.#finish()
    this.downstream.endResponse(trailers)
  }

  onUpgrade(
    attempt: Attempt,
    head: Head,
    client: Http1Client,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const token = head.get('upgrade')?.toLowerCase()
    if (this.#upgradeToken === '' || token !== this.#upgradeToken) {
      client.connection!.destroy()
      attempt.finishTunnel()
      this.fail(UPSTREAM_PROTOCOL, 'upgrade that was not asked for')
      return
    }
    attempt.server.reportSuccess(this.plane.clock.now)
    this.#hasResponseHead = true
    this.status = 101
    this.originStatus = 101
    this.isTunnel = true
    removeHopByHop(head)
    head.appendRaw(`Connection: Upgrade\r\nUpgrade: ${token}\r\n`)
    if (this.cookieToSet !== undefined) head.append('Set-Cookie', this.cookieToSet)
    if (this.route!.chain !== null) this.#runResponseFilters(head)
    this.responseFields = head
    this.downstream.becomeTunnel(head, client, buffer, start, end)
  }

  /** Both sides of the tunnel are closed. */
  onTunnelEnd(bytesFromClient: number, bytesFromServer: number): void {
    this.requestBodyBytes += bytesFromClient
    this.responseBodyBytes += bytesFromServer
    this.attempt?.finishTunnel()
    this.#finish()
  }

  onAttemptFailure(attempt: Attempt, code: number, detail: string): void {
    if (this.#isFinished || (this.attempt !== null && this.attempt !== attempt)) return
    this.attempt = null
    const { server } = attempt
    const now = this.plane.clock.now
    this.plane.observer.onUpstreamFailure(this, code, detail)
    if (this.#hasResponseHead) {
      this.error = errorOfFailure(code)
      this.errorDetail = detail
      this.#finish()
      this.downstream.abort()
      return
    }
    if (code === FAIL_CLOSED && attempt.isReused) {
      // The server's idle timeout met our request (RFC 9110 §9.2.2, RFC 9112 §9.3.1): no fault, one fresh try.
      if (this.#mayReplay() && this.attempts < MAX_ATTEMPTS) {
        this.plane.observer.onRetry(this)
        this.#start(server, true)
        return
      }
    } else if (code !== FAIL_LOCAL) {
      server.reportFailure(now, code)
    }
    if (this.#mayMove(code) && this.#startElsewhere(server, now)) return
    this.fail(errorOfFailure(code), `${server.id}: ${detail}`)
  }

  /** Ends the exchange with an error of ours. */
  fail(kind: ProxyErrorKind, detail: string): void {
    if (this.#isFinished) return
    this.error = kind
    this.errorDetail = detail
    if (this.#hasResponseHead) {
      this.#finish()
      this.downstream.abort()
      return
    }
    this.reply(errorReply(kind))
  }

  /** Answers by ourselves: a filter's reply or an error. */
  reply(reply: Reply): void {
    if (this.#isFinished) return
    const { plane, request } = this
    const body = isAscii(reply.body) ? reply.body : Buffer.from(reply.body, 'utf8').toString('latin1')
    this.status = reply.status
    const hasBody = reply.status !== 204 && reply.status !== 304
    const fields = new FieldList([
      ...reply.fields,
      ...(hasBody ? ['Content-Type', reply.contentType, 'Content-Length', String(body.length)] : []),
      'Date',
      plane.clock.httpDate,
      'X-Request-ID',
      this.requestId,
    ])
    this.#hasResponseHead = true
    this.#runResponseFilters(fields)
    this.responseFields = fields
    const isBodySent = hasBody && request.method !== 'HEAD'
    this.downstream.sendHead('', this.status, fields, isBodySent ? body.length : 0)
    if (isBodySent) {
      this.responseBodyBytes = body.length
      this.downstream.sendText(body)
    }
    this.#finish()
    this.downstream.endResponse(null)
  }

  /** An exception escaped: nothing is known about the state, so nothing of it is used again. */
  onFault(): void {
    if (this.#isFinished) return
    this.#giveUpAttempt()
    this.fail(INTERNAL, '')
  }

  /** `/ping`, `/ready` and `/metrics` are control's to answer. */
  #askControl(): void {
    this.plane.internal.ask(this.request.method, this.request.path, (reply) => this.reply(reply))
  }

  #learnClient(entryPoint: EntryPoint): void {
    const { request, plane } = this
    const isTrusted =
      entryPoint.isInsecure || entryPoint.trustedPeers?.has(this.connection.remoteAddress) === true
    this.isTrustedPeer = isTrusted
    if (!isTrusted) {
      this.requestId = plane.requestIds.next()
      return
    }
    const chain = request.getAll('x-forwarded-for')
    if (chain !== undefined) {
      this.clientAddress = clientBehind(chain, entryPoint, this.connection.remoteAddress)
    }
    const proto = request.get('x-forwarded-proto')?.toLowerCase()
    if (proto === 'https' || proto === 'http') this.scheme = proto
    else if (proto === 'wss') this.scheme = 'https'
    const id = request.get('x-request-id')
    this.requestId = id !== undefined && /^[\x21-\x7e]{1,128}$/.test(id) ? id : plane.requestIds.next()
  }

  #resolveHost(): string | null {
    const { host } = this.request
    const cache = this.#cache
    if (host === cache.authority) return cache.host
    const normal = host === '' ? '' : normalizeHost(host)
    cache.authority = host
    cache.host = normal
    return normal
  }

  /** True when a filter answered. */
  #runRequestFilters(filters: readonly Filter[]): boolean {
    for (const filter of filters) {
      this.#ranFilters++
      const reply = filter.request!(this)
      if (reply !== undefined) {
        this.reply(reply)
        return true
      }
    }
    return false
  }

  #runResponseFilters(fields: OutgoingFields): void {
    const chain = this.route?.chain
    if (chain == null || this.route!.closed !== undefined) return
    const head = { status: this.status, fields }
    // A filter whose request phase did not run (an outer one answered) sees no response either; those without a request
    // phase see all.
    const skipped: readonly Filter[] =
      this.#ranFilters < chain.request.length ? chain.request.slice(this.#ranFilters) : NO_FILTERS
    for (const filter of chain.response) if (!skipped.includes(filter)) filter.response!(this, head)
    this.status = head.status
  }

  #tryNext(): void {
    const service = this.route!.service!
    const server = service.select(this, this.#tried ?? NO_SERVERS, this.plane.clock.now)
    if (server === null) {
      this.fail(NO_SERVER, service.name)
      return
    }
    this.cookieToSet = service.cookieToSet
    this.#start(server, false)
  }

  #start(server: Server, isFresh: boolean): void {
    this.attempts++
    this.lastServer = server
    const attempt = new Attempt(this, server)
    this.attempt = attempt
    attempt.start(isFresh)
  }

  /** False: nobody is left. */
  #startElsewhere(failed: Server, now: number): boolean {
    ;(this.#tried ??= []).push(failed)
    const service = this.route!.service!
    const next = service.select(this, this.#tried, now)
    if (next === null) return false
    this.cookieToSet = service.cookieToSet
    this.plane.observer.onRetry(this)
    this.#start(next, false)
    return true
  }

  #giveUpAttempt(): void {
    this.attempt?.cancel()
    this.attempt = null
  }

  /** May the request be sent again after its connection was closed without a byte of response (RFC 9110 §9.2.2)? */
  #mayReplay(): boolean {
    return this.#canReplay && isIdempotent(this.request.method)
  }

  /** May another server get the request? */
  #mayMove(code: number): boolean {
    if (this.attempts >= MAX_ATTEMPTS) return false
    if (isConnectFailure(code)) return true
    // A server that ends at once also closes what it has just accepted.
    return code === FAIL_CLOSED && this.#mayReplay() && this.#moves++ < MAX_MOVES
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    const kept = (this.#buffer ??= new RequestBuffer(this.plane.budget))
    kept.keep(buffer, start, end)
    if (kept.isFull) this.downstream.pauseRequest()
  }

  #keepForReplay(buffer: Buffer, start: number, end: number): void {
    const kept = this.#buffer
    if (!this.#mayReplay() || (kept?.isFull ?? false)) {
      this.#canReplay = false
      kept?.drop()
      return
    }
    ;(this.#buffer ??= new RequestBuffer(this.plane.budget)).keep(buffer, start, end)
  }

  #dropBuffer(): void {
    this.#buffer?.drop()
    this.#buffer = null
  }

  #buildRequest(): string {
    const { request, plane, entry: entryPoint } = this
    const headerSet = this.route!.headerSet
    const clientForwardedFor = headerSet === 'default' ? undefined : request.getAll('x-forwarded-for')
    const token = this.#wantedUpgrade(entryPoint)
    cleanRequest(request, this.isTrustedPeer, entryPoint)
    if (request.contentLength >= 0) plainContentLength(request)
    if (request.targetForm !== TARGET_ORIGIN) alignHost(request)
    else if (request.host === '') request.set('Host', this.attempt!.server.id)
    let line: string
    if (!this.#isRewritten && request.targetForm === TARGET_ORIGIN && this.#forwardPath === request.path) {
      line = request.minorVersion === 1 ? request.text.slice(0, request.fieldsStart) : ''
    } else {
      line = ''
    }
    if (line === '') line = `${request.method} ${this.#forwardPath}${this.query} HTTP/1.1\r\n`
    let own = this.#forwardingLines()
    if (headerSet !== 'default') {
      const set = HEADER_SETS[headerSet]
      if (set !== undefined) {
        removeHeaderSet(request)
        own += set({ scheme: this.scheme, target: request.path + request.query, clientForwardedFor })
      }
    }
    if (this.requestMode === BODY_CHUNKED) own += 'Transfer-Encoding: chunked\r\n'
    if (token !== '') {
      this.#upgradeToken = token
      own += `Connection: Upgrade\r\nUpgrade: ${token}\r\n`
    }
    const fields = plane.isFastPath ? request.serializeFields() : request.serializeFieldsSlow()
    return `${line}${fields}${own}\r\n`
  }

  #forwardingLines(): string {
    const { request } = this
    if (!this.isTrustedPeer) {
      const cache = this.#cache
      if (cache.untrustedLines === '') cache.untrustedLines = connectionFieldLines(this.#clientFacts())
      return `${cache.untrustedLines}X-Forwarded-Host: ${request.host}\r\nX-Request-ID: ${this.requestId}\r\n`
    }
    addTrustedFields(
      request,
      this.#clientFacts(),
      this.connection.remoteAddress,
      request.host,
      this.entry.appendsForwardedFor,
    )
    // Absent, or no good.
    if (request.get('x-request-id') !== this.requestId) request.set('X-Request-ID', this.requestId)
    return ''
  }

  #clientFacts(): ClientFacts {
    return {
      address: this.clientAddress,
      scheme: this.scheme,
      port: this.connection.proxiedPort ?? this.entry.port,
    }
  }

  /** The first token of Upgrade that may become a tunnel, or ''. */
  #wantedUpgrade(entryPoint: EntryPoint): string {
    const { request } = this
    if (!request.wantsUpgrade || this.requestMode !== BODY_NONE || request.minorVersion === 0) return ''
    // A list in the client's order of preference (RFC 9110 §7.8); those that are not allowed are as if never named.
    for (const each of request.getAll('upgrade')!.toLowerCase().split(',')) {
      const token = each.trim()
      if (entryPoint.upgradeTokens.includes(token)) return token
    }
    return ''
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#dropBuffer()
    const chain = this.route?.chain
    if (chain != null) for (const filter of chain.end) filter.end!(this)
    this.plane.observer.onEnd(this)
  }
}

/** RFC 9110 §9.2.2. */
function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'PUT':
    case 'DELETE':
    case 'OPTIONS':
    case 'TRACE':
      return true
    default:
      return false
  }
}

const ASCII = /^[\x00-\x7f]*$/

function isAscii(text: string): boolean {
  return ASCII.test(text)
}
