/**
 * The rows of docs/reference/limits.md for bounds that no option changes. Values are read from the constants in the
 * source, so that the page cannot drift; a constant that is renamed or moved makes the generator fail.
 */
import { readFileSync } from 'node:fs'
import { formatDuration } from '#lib/schema/duration.ts'
import { formatSize } from '#lib/schema/size.ts'
import type { LimitRow } from '#config/static/reference.ts'

type Unit = 'bytes' | 'ms' | 'count' | 'percent'
/** File below src/, name of the constant (or of a field of an object constant), unit, name, meaning. */
type Source = readonly [file: string, constant: string, unit: Unit, name: string, meaning: string]

/** In the order of the road: client, gateway, server, then configuration and observation. */
const SOURCES: readonly Source[] = [
  ['wire/client-hello/result.ts', 'MAX_HELLO_BYTES', 'bytes', 'TLS ClientHello', 'A longer one is refused.'],
  [
    'wire/client-hello/result.ts',
    'MAX_WIRE_BYTES',
    'bytes',
    'TLS ClientHello with its records',
    'The same, counted with record headers.',
  ],
  [
    'wire/proxy-protocol/header.ts',
    'MAX_V1_BYTES',
    'bytes',
    'PROXY protocol, version 1',
    'A longer line is a bad request.',
  ],
  [
    'wire/proxy-protocol/header.ts',
    'MAX_V2_BYTES',
    'bytes',
    'PROXY protocol, version 2',
    'A longer header is a bad request.',
  ],
  [
    'wire/proxy-protocol/header.ts',
    'MAX_TLVS',
    'count',
    'PROXY protocol TLVs',
    'More in one header are a bad request.',
  ],
  [
    'wire/http1/body-reader.ts',
    'MAX_SIZE_DIGITS',
    'count',
    'digits of a chunk size',
    'Leading zeros count; more are malformed.',
  ],
  [
    'wire/http1/body-reader.ts',
    'MAX_LINE_EXTENSION',
    'bytes',
    'extensions of one chunk',
    'They are dropped; more are malformed.',
  ],
  [
    'wire/http1/body-reader.ts',
    'MAX_EXTENSION_EXCESS',
    'bytes',
    'extensions of a body',
    'Beyond as many bytes as the body has content; more are malformed.',
  ],
  [
    'wire/http1/authority.ts',
    'MAX_NAME',
    'bytes',
    'host name',
    'Its final dot included; a longer one is refused with 400.',
  ],
  [
    'wire/http1/field-meaning.ts',
    'MAX_CONNECTION_TOKENS',
    'count',
    'names in Connection',
    'Without close and keep-alive; more are refused with 400.',
  ],
  [
    'proxy/accept/descriptor-watch.ts',
    'RESERVE',
    'count',
    'descriptors kept back',
    'Accepting pauses with that many left (a quarter, of few), for connections to servers.',
  ],
  [
    'client/http1-client.ts',
    'MAX_INTERIM',
    'count',
    'interim answers (1xx) to one request',
    'From a server that sends more the answer is 502.',
  ],
  [
    'proxy/http/request-buffer.ts',
    'REPLAY_MAX_BYTES',
    'bytes',
    'request kept for another attempt',
    'A longer body is sent once.',
  ],
  ['proxy/http/proxy-exchange.ts', 'MAX_ATTEMPTS', 'count', 'attempts of one exchange', 'Retries included.'],
  [
    'proxy/http/proxy-exchange.ts',
    'MAX_MOVES',
    'count',
    'further servers of a request whose server closed a new connection',
    'Only idempotent requests go on to another one.',
  ],
  [
    'proxy/upstream/ejection.ts',
    'DEFAULT_EJECTION.failures',
    'count',
    'failures in a row before a server is set aside',
    'Connections refused, timed out or closed before a response.',
  ],
  [
    'proxy/upstream/ejection.ts',
    'DEFAULT_EJECTION.windowMs',
    'ms',
    'time they must fit into',
    'Otherwise the count starts anew.',
  ],
  [
    'proxy/upstream/ejection.ts',
    'DEFAULT_EJECTION.baseMs',
    'ms',
    'first time set aside',
    'Doubles with each failed probe; then the server is probed.',
  ],
  ['proxy/upstream/ejection.ts', 'DEFAULT_EJECTION.maxMs', 'ms', 'longest time set aside', ''],
  [
    'proxy/upstream/ejection.ts',
    'DEFAULT_EJECTION.maxPercent',
    'percent',
    'servers of a service set aside at a time',
    'One of two always may be, the last one never.',
  ],
  ['proxy/upstream/ejection.ts', 'DEFAULT_EJECTION.probeTimeoutMs', 'ms', 'time for a probe', ''],
  [
    'net/transport/net-connection.ts',
    'LINGER_MS',
    'ms',
    'wait for the peer to close after our last byte',
    'What it still sends is dropped.',
  ],
  [
    'net/transport/net-connection.ts',
    'STALL_MS',
    'ms',
    'a closing connection whose peer takes nothing',
    'Then it is reset. Only the last bytes of a connection; before, the send timeout counts.',
  ],
  [
    'net/names/resolver.ts',
    'MIN_TTL_MS',
    'ms',
    'addresses of a server name are kept, at least',
    'Servers given by name (ExternalName) are asked for again when the TTL of the answer is over.',
  ],
  ['net/names/resolver.ts', 'MAX_TTL_MS', 'ms', 'addresses of a server name are kept, at most', ''],
  [
    'net/names/system-names.ts',
    'UNTIMED_MS',
    'ms',
    'addresses without a TTL are kept',
    'From /etc/hosts and other sources of the system.',
  ],
  [
    'net/names/resolver.ts',
    'GRACE_MS',
    'ms',
    'addresses are used beyond their time while new ones are asked for',
    'Later the answer is waited for.',
  ],
  [
    'net/names/resolver.ts',
    'MAX_RETRY_MS',
    'ms',
    'between questions for a name that does not resolve, at most',
    'Its last addresses stay in use.',
  ],
  ['net/names/system-names.ts', 'TIMEOUT_MS', 'ms', 'one question to a name server', 'Each is asked twice.'],
  ['net/names/resolver.ts', 'MAX_NAMES', 'count', 'server names remembered', ''],
  ['net/shared/lanes.ts', 'MAX_LANES', 'count', 'workers that share state', 'Bound on --workers.'],
  [
    'certs/store.ts',
    'DEFAULT_MAX_CONTEXTS',
    'count',
    'TLS contexts kept by a worker',
    'The least recently used one goes; it is made again when needed.',
  ],
  [
    'certs/certificate.ts',
    'MAX_CHAIN_CERTIFICATES',
    'count',
    'certificates in a chain',
    'A longer chain is a finding.',
  ],
  [
    'certs/ticket-keys.ts',
    'TICKET_KEY_PERIOD_MS',
    'ms',
    'session ticket keys are changed every',
    'Tickets of the key before still resume.',
  ],
  [
    'lib/regex/regex.ts',
    'MAX_PATTERN_LENGTH',
    'count',
    'characters of a regular expression',
    'A longer one is a finding, and its path is closed.',
  ],
  ['lib/regex/regex.ts', 'MAX_PROGRAM_SIZE', 'count', 'instructions of a regular expression', 'The same.'],
  [
    'config/yaml/parse.ts',
    'MAX_ALIASES',
    'count',
    'values that YAML aliases expand to',
    'More are an error of the document.',
  ],
  [
    'observe/escape.ts',
    'MAX_VALUE_CHARS',
    'count',
    'characters of one value in a log line',
    'The rest is cut, with a mark.',
  ],
  [
    'observe/metrics/aggregate.ts',
    'MAX_LEAVING',
    'count',
    'series of removed objects',
    'They stay for one last scrape; beyond this the oldest go without it.',
  ],
  [
    'observe/metrics/registry.ts',
    'MAX_SERIES',
    'count',
    'series of metrics',
    'Further ones are counted together.',
  ],
  [
    'kube/client.ts',
    'REQUEST_MS',
    'ms',
    'one request to the API server',
    'All its waiting counts; watches have none.',
  ],
  ['kube/client.ts', 'PAGE_SIZE', 'count', 'objects in one page of a list', 'From the API server.'],
  [
    'kube/client.ts',
    'MAX_ANSWER_BYTES',
    'bytes',
    'one answer of the API server',
    'A longer one is an error.',
  ],
  [
    'kube/client.ts',
    'MAX_REQUESTS',
    'count',
    'requests to the API server at a time',
    'Watches are not counted.',
  ],
  [
    'kube/json-lines.ts',
    'MAX_LINE_BYTES',
    'bytes',
    'one event of a watch',
    'A longer one ends the watch; it begins anew with a list.',
  ],
  [
    'kube/reflector.ts',
    'BACKOFF.maxMs',
    'ms',
    'longest wait for a lost API server',
    'Waits double from 200 ms; an answer to any request ends all of them.',
  ],
  [
    'kube/reflector.ts',
    'SLOW_BACKOFF.maxMs',
    'ms',
    'longest wait after a refusal of the API server',
    'Missing rights, for example.',
  ],
  ['kube/reflector.ts', 'STALL_MS', 'ms', 'silence of a watch', 'Then it counts as dead and is opened anew.'],
  [
    'kube/reflector.ts',
    'WATCH_SECONDS',
    'count',
    'seconds that a watch is asked to last',
    'At least; spread up to twice as long.',
  ],
  [
    'providers/kubernetes-ingress/cluster-source.ts',
    'SILENT_PROBLEM_MS',
    'ms',
    'an API server that does not answer',
    'Then it is a finding; what was read stays in force however long it lasts.',
  ],
  [
    'providers/kubernetes-ingress/named-secrets.ts',
    'REFRESH_MS',
    'ms',
    'between two looks at Secrets that may not be watched',
    'With the right to watch them changes come at once.',
  ],
  ['kube/exec-plugin.ts', 'TIME_LIMIT_MS', 'ms', 'run of a credential plugin', 'Then it is killed.'],
  ['kube/exec-plugin.ts', 'MAX_OUTPUT_BYTES', 'bytes', 'output of a credential plugin', 'More is an error.'],
  [
    'kube/election.ts',
    'LEASE_DURATION_MS',
    'ms',
    'lease of the elected replica',
    'A new one is elected when it was not renewed for so long.',
  ],
  [
    'kube/election.ts',
    'RENEW_DEADLINE_MS',
    'ms',
    'renewal of the lease',
    'The elected replica gives up after so long without one.',
  ],
  ['kube/events.ts', 'OBJECT_BURST', 'count', 'Events of one object at once', 'Then one in five minutes.'],
  ['kube/events.ts', 'MAX_QUEUE', 'count', 'Events that wait to be written', 'More are dropped and counted.'],
]

/** Throws when a constant is not found where it is expected. */
export function fixedLimits(): readonly LimitRow[] {
  return SOURCES.map(([file, constant, unit, name, meaning]) => {
    const value = constantOf(readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8'), constant)
    if (value === undefined)
      throw new Error(`src/${file} has no constant ${constant}; tools/fixed-limits.ts needs it`)
    return { name, value: format(value, unit), meaning }
  })
}

/** Value of `const NAME = 16 * 1024`, or of a field of `const NAME = { field: 3 }`. Sums and products only. */
export function constantOf(text: string, constant: string): number | undefined {
  const [name, field] = constant.split('.')
  const start = new RegExp(`^(?:export )?const ${name}\\b[^=\\n]*= `, 'm').exec(text)
  if (start === null) return undefined
  const rest = text.slice(start.index + start[0].length)
  const body = field === undefined ? rest : rest.slice(0, rest.indexOf('}'))
  const expression = (
    field === undefined ? /^([\d_ *+]+)$/m : new RegExp(`\\b${field}: ([\\d_ *+]+),?$`, 'm')
  ).exec(body)
  // For a plain constant the expression is what directly follows.
  if (expression === null || (field === undefined && expression.index !== 0)) return undefined
  const terms = (expression[1] ?? '').replaceAll('_', '').split('+')
  return terms.reduce(
    (sum, term) => sum + term.split('*').reduce((product, factor) => product * Number(factor), 1),
    0,
  )
}

function format(value: number, unit: Unit): string {
  switch (unit) {
    case 'bytes':
      return value < 1024 ? `${value} bytes` : formatSize(value)
    case 'ms':
      return formatDuration(value)
    case 'percent':
      return `${value} %`
    case 'count':
      return String(value)
    default:
      return unit satisfies never
  }
}
