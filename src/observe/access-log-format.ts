/**
 * One access-log line from one record, in Traefik's formats: `common` (common log format with Traefik's columns
 * behind it), `genericCLF` (without them) and `json` (one object a line, keys in ASCII order). Pure; the writing is
 * access-log.ts. A line is printable ASCII and one LF, whatever the client sent.
 */
import { reasonOf } from '#wire/http1/reason.ts'
import type { AccessRecord, LoggedFields } from './access-record.ts'
import { escapeBytes, jsonBytes } from './escape.ts'
import { SecondText } from './second-text.ts'

export type AccessLogFormat = 'common' | 'genericCLF' | 'json'
export type FieldMode = 'keep' | 'drop'
export type ValueMode = 'keep' | 'drop' | 'redact'

/** Traefik's `accessLog.fields`; names of fields and headers compare without case. */
export interface AccessLogFields {
  readonly defaultMode?: FieldMode
  readonly names?: Readonly<Record<string, FieldMode>>
  readonly headers?: {
    readonly defaultMode?: ValueMode
    readonly names?: Readonly<Record<string, ValueMode>>
  }
  readonly queryParameters?: { readonly defaultMode?: ValueMode }
}

/** Names of the fields of a line, as `accessLog.fields.names` knows them; all but RequestID are Traefik's. */
export const ACCESS_LOG_FIELDS = [
  'ClientAddr',
  'ClientHost',
  'ClientPort',
  'ClientUsername',
  'DownstreamContentSize',
  'DownstreamStatus',
  'DownstreamStatusLine',
  'Duration',
  'KubernetesIngressName',
  'KubernetesIngressNamespace',
  'KubernetesServiceName',
  'KubernetesServicePort',
  'OriginContentSize',
  'OriginDuration',
  'OriginStatus',
  'OriginStatusLine',
  'Overhead',
  'RequestAddr',
  'RequestContentSize',
  'RequestCount',
  'RequestHost',
  'RequestID',
  'RequestLine',
  'RequestMethod',
  'RequestPath',
  'RequestPort',
  'RequestProtocol',
  'RequestScheme',
  'RetryAttempts',
  'RouterName',
  'ServiceAddr',
  'ServiceName',
  'ServiceURL',
  'StartLocal',
  'StartUTC',
  'TLSCipher',
  'TLSClientSubject',
  'TLSVersion',
  'entryPointName',
] as const

type FieldName = (typeof ACCESS_LOG_FIELDS)[number]

const REDACTED = 'REDACTED'
const NS_PER_MS = 1_000_000

export class AccessLogFormatter {
  readonly #format: AccessLogFormat
  readonly #keep: Readonly<Record<FieldName, boolean>>
  readonly #headerDefault: ValueMode
  readonly #headerModes = new Map<string, ValueMode>()
  readonly #logsHeaders: boolean
  readonly #queryMode: ValueMode
  readonly #started = new SecondText()
  readonly #ended = new SecondText()

  constructor(format: AccessLogFormat, fields: AccessLogFields = {}) {
    this.#format = format
    const modes = new Map<string, FieldMode>()
    for (const [name, mode] of Object.entries(fields.names ?? {})) modes.set(name.toLowerCase(), mode)
    const keep: Partial<Record<FieldName, boolean>> = {}
    for (const name of ACCESS_LOG_FIELDS) {
      keep[name] = (modes.get(name.toLowerCase()) ?? fields.defaultMode ?? 'keep') === 'keep'
    }
    this.#keep = keep as Record<FieldName, boolean>
    this.#headerDefault = fields.headers?.defaultMode ?? 'drop'
    for (const [name, mode] of Object.entries(fields.headers?.names ?? {})) {
      this.#headerModes.set(name.toLowerCase(), mode)
    }
    this.#logsHeaders =
      this.#headerDefault !== 'drop' || [...this.#headerModes.values()].some((mode) => mode !== 'drop')
    this.#queryMode = fields.queryParameters?.defaultMode ?? 'keep'
  }

  /** With its LF. */
  line(record: AccessRecord): string {
    if (this.#format === 'json') return this.#json(record)
    const generic = this.#generic(record)
    return this.#format === 'common' ? `${generic} ${this.#traefikColumns(record)}\n` : `${generic}\n`
  }

  #generic(record: AccessRecord): string {
    const keep = this.#keep
    const started = this.#started.at(record.startedAt)
    const host = keep.ClientHost ? orDash(record.clientHost) : '-'
    const user = keep.ClientUsername ? escapeUser(record.clientUsername) : '-'
    const time = keep.StartUTC || !keep.StartLocal ? started.clfUtc : started.clfLocal
    const method = keep.RequestMethod ? orDash(record.method) : '-'
    const path = keep.RequestPath ? orDash(this.#path(record.path)) : '-'
    const protocol = keep.RequestProtocol ? orDash(record.protocol) : '-'
    const status = keep.DownstreamStatus ? record.status : '-'
    const size = keep.DownstreamContentSize ? record.responseBytes : '-'
    const referer = this.#header(record.requestHeaders, 'referer')
    const agent = this.#header(record.requestHeaders, 'user-agent')
    return `${host} - ${user} [${time}] "${method} ${path} ${protocol}" ${status} ${size} ${referer} ${agent}`
  }

  #traefikColumns(record: AccessRecord): string {
    const keep = this.#keep
    const count = keep.RequestCount ? record.requestCount : '-'
    const router = keep.RouterName ? orDash(record.router) : '-'
    const server = keep.ServiceURL ? orDash(record.serverUrl) : '-'
    const duration = keep.Duration ? Math.floor(record.durationMs) : 0
    return `${count} "${router}" "${server}" ${duration}ms`
  }

  #header(headers: LoggedFields | null, name: string): string {
    if (!this.#logsHeaders || headers === null) return '"-"'
    const mode = this.#headerModes.get(name) ?? this.#headerDefault
    if (mode === 'drop') return '"-"'
    const value = headers.get(name)
    if (value === undefined) return '"-"'
    return mode === 'redact' ? `"${REDACTED}"` : `"${escapeBytes(value)}"`
  }

  #path(path: string): string {
    if (this.#queryMode === 'keep') return path
    const question = path.indexOf('?')
    if (question === -1) return path
    if (this.#queryMode === 'drop') return path.slice(0, question)
    const parameters = path.slice(question + 1).split('&')
    return `${path.slice(0, question)}?${parameters.map(redactParameter).join('&')}`
  }

  // In the order of ACCESS_LOG_FIELDS. One flat function: this runs for every request.
  #json(record: AccessRecord): string {
    const keep = this.#keep
    const started = this.#started.at(record.startedAt)
    const path = this.#path(record.path)
    const hasOrigin = record.originStatus !== 0
    let out = '{'
    if (keep.ClientAddr) out += `"ClientAddr":${jsonBytes(record.clientAddress)},`
    if (keep.ClientHost) out += `"ClientHost":${jsonBytes(record.clientHost)},`
    if (keep.ClientPort) out += `"ClientPort":"${record.clientPort === 0 ? '-' : record.clientPort}",`
    if (keep.ClientUsername) out += `"ClientUsername":${jsonBytes(record.clientUsername || '-')},`
    if (keep.DownstreamContentSize) out += `"DownstreamContentSize":${record.responseBytes},`
    if (keep.DownstreamStatus) out += `"DownstreamStatus":${record.status},`
    if (keep.DownstreamStatusLine) out += `"DownstreamStatusLine":"${statusLine(record.status)}",`
    if (keep.Duration) out += `"Duration":${nanoseconds(record.durationMs)},`
    out += this.#jsonKubernetes(record)
    if (hasOrigin) {
      if (keep.OriginContentSize) out += `"OriginContentSize":${Math.max(record.originBytes, 0)},`
      if (keep.OriginDuration) out += `"OriginDuration":${nanoseconds(Math.max(record.originDurationMs, 0))},`
      if (keep.OriginStatus) out += `"OriginStatus":${record.originStatus},`
      if (keep.OriginStatusLine) out += `"OriginStatusLine":"${statusLine(record.originStatus)}",`
    }
    if (keep.Overhead) {
      const overhead = record.durationMs - Math.max(record.originDurationMs, 0)
      out += `"Overhead":${nanoseconds(Math.max(overhead, 0))},`
    }
    if (keep.RequestAddr) out += `"RequestAddr":${jsonBytes(record.host)},`
    if (keep.RequestContentSize) out += `"RequestContentSize":${record.requestBytes},`
    if (keep.RequestCount) out += `"RequestCount":${record.requestCount},`
    const colon = portColon(record.host)
    if (keep.RequestHost)
      out += `"RequestHost":${jsonBytes(colon === -1 ? record.host : record.host.slice(0, colon))},`
    if (keep.RequestID && record.requestId !== '') out += `"RequestID":${jsonBytes(record.requestId)},`
    if (keep.RequestLine) out += `"RequestLine":${jsonBytes(`${record.method} ${path} ${record.protocol}`)},`
    if (keep.RequestMethod) out += `"RequestMethod":${jsonBytes(record.method)},`
    if (keep.RequestPath) out += `"RequestPath":${jsonBytes(path)},`
    if (keep.RequestPort)
      out += `"RequestPort":${colon === -1 ? '"-"' : jsonBytes(record.host.slice(colon + 1))},`
    if (keep.RequestProtocol) out += `"RequestProtocol":${jsonBytes(record.protocol)},`
    if (keep.RequestScheme) out += `"RequestScheme":"${record.scheme}",`
    if (keep.RetryAttempts) out += `"RetryAttempts":${record.retryAttempts},`
    if (keep.RouterName && record.router !== '') out += `"RouterName":${jsonBytes(record.router)},`
    if (keep.ServiceAddr && record.serverAddress !== '')
      out += `"ServiceAddr":${jsonBytes(record.serverAddress)},`
    if (keep.ServiceName && record.service !== '') out += `"ServiceName":${jsonBytes(record.service)},`
    if (keep.ServiceURL && record.serverUrl !== '') out += `"ServiceURL":${jsonBytes(record.serverUrl)},`
    if (keep.StartLocal) out += `"StartLocal":"${started.isoLocal(record.startedAt)}",`
    if (keep.StartUTC) out += `"StartUTC":"${started.isoUtc(record.startedAt)}",`
    if (record.tlsVersion !== '') {
      if (keep.TLSCipher) out += `"TLSCipher":${jsonBytes(record.tlsCipher)},`
      if (keep.TLSClientSubject && record.tlsClientSubject !== '') {
        out += `"TLSClientSubject":${jsonBytes(record.tlsClientSubject)},`
      }
      if (keep.TLSVersion) out += `"TLSVersion":${jsonBytes(tlsVersionNumber(record.tlsVersion))},`
    }
    if (this.#logsHeaders) out += this.#jsonHeaders('downstream_', record.downstreamHeaders)
    if (keep.entryPointName) out += `"entryPointName":${jsonBytes(record.entryPoint)},`
    out += '"level":"info","msg":"",'
    if (this.#logsHeaders) {
      out += this.#jsonHeaders('origin_', record.originHeaders)
      out += this.#jsonHeaders('request_', record.requestHeaders)
    }
    const endedAt = record.startedAt + record.durationMs
    return `${out}"time":"${this.#ended.at(endedAt).secondUtc}"}\n`
  }

  #jsonKubernetes(record: AccessRecord): string {
    const keep = this.#keep
    if (record.kubernetesNamespace === '') return ''
    let out = ''
    if (keep.KubernetesIngressName) out += `"KubernetesIngressName":${jsonBytes(record.kubernetesIngress)},`
    if (keep.KubernetesIngressNamespace) {
      out += `"KubernetesIngressNamespace":${jsonBytes(record.kubernetesNamespace)},`
    }
    if (keep.KubernetesServiceName && record.kubernetesService !== '') {
      out += `"KubernetesServiceName":${jsonBytes(record.kubernetesService)},`
    }
    if (keep.KubernetesServicePort && record.kubernetesServicePort !== '') {
      out += `"KubernetesServicePort":${jsonBytes(record.kubernetesServicePort)},`
    }
    return out
  }

  /** A field that comes several times is one key: duplicate keys are not dependable JSON. */
  #jsonHeaders(prefix: string, headers: LoggedFields | null): string {
    if (headers === null) return ''
    const values = new Map<string, string>()
    headers.forEach((name, value) => {
      const lower = name.toLowerCase()
      const mode = this.#headerModes.get(lower) ?? this.#headerDefault
      if (mode === 'drop') return
      const before = values.get(lower)
      if (mode === 'redact') values.set(lower, REDACTED)
      else values.set(lower, before === undefined ? value : `${before}, ${value}`)
    })
    let out = ''
    for (const [name, value] of values)
      out += `${jsonBytes(prefix + canonicalName(name))}:${jsonBytes(value)},`
    return out
  }
}

function orDash(text: string): string {
  return text === '' ? '-' : escapeBytes(text)
}

/** The column is not quoted, so a space must not look like its end. */
function escapeUser(text: string): string {
  return text === '' ? '-' : escapeBytes(text).replaceAll(' ', '\\x20')
}

function redactParameter(parameter: string): string {
  const equals = parameter.indexOf('=')
  return equals === -1 ? parameter : `${parameter.slice(0, equals)}=${REDACTED}`
}

function nanoseconds(ms: number): number {
  return Math.round(ms * NS_PER_MS)
}

const statusLines: (string | undefined)[] = []

function statusLine(status: number): string {
  return (statusLines[status] ??= `${status} ${reasonOf(status)}`)
}

/** Where `:port` begins; -1 without one. */
function portColon(host: string): number {
  const colon = host.lastIndexOf(':')
  return colon > host.lastIndexOf(']') ? colon : -1
}

/** `TLSv1.3` → `1.3`, as Traefik writes it. */
function tlsVersionNumber(version: string): string {
  return version.startsWith('TLSv') ? version.slice(4) : version
}

/** `user-agent` → `User-Agent`. */
function canonicalName(lower: string): string {
  let out = ''
  let isFirst = true
  for (const char of lower) {
    out += isFirst ? char.toUpperCase() : char
    isFirst = char === '-'
  }
  return out
}
