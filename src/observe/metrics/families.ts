/**
 * Every metric of the program, declared once: names, types, labels and help. The registries make series of these
 * only; docs/reference/metrics.md is generated from this table. `traefik_*` is what Traefik's users have dashboards
 * and alerts for (names, labels, buckets as there); `sekisho_*` is ours.
 */

export type FamilyType = 'counter' | 'gauge' | 'histogram'

export interface FamilyDeclaration {
  readonly name: string
  readonly type: FamilyType
  readonly help: string
  readonly labels: readonly string[]
  /** Gets the labels of `headerLabels` behind its own. */
  readonly takesHeaderLabels?: true
  /** Of a histogram that does not take those of the options. */
  readonly buckets?: readonly number[]
}

function counter(name: string, labels: readonly string[], help: string): FamilyDeclaration {
  return { name, type: 'counter', labels, help }
}
function gauge(name: string, labels: readonly string[], help: string): FamilyDeclaration {
  return { name, type: 'gauge', labels, help }
}

export type RequestScope = 'entrypoint' | 'router' | 'service'

/** The families that every request of a scope is counted in. */
export interface RequestFamilies {
  readonly requests: FamilyDeclaration
  readonly duration: FamilyDeclaration
  readonly requestBytes: FamilyDeclaration
  readonly responseBytes: FamilyDeclaration
  readonly tls: FamilyDeclaration
}

function requestFamilies(scope: RequestScope, what: string, own: readonly string[]): RequestFamilies {
  const labels = ['code', 'method', 'protocol', ...own]
  const prefix = `traefik_${scope}`
  return {
    requests: {
      ...counter(`${prefix}_requests_total`, labels, `Requests ${what}.`),
      takesHeaderLabels: true,
    },
    duration: {
      name: `${prefix}_request_duration_seconds`,
      type: 'histogram',
      labels,
      help: `How long requests ${what} took.`,
    },
    requestBytes: counter(
      `${prefix}_requests_bytes_total`,
      labels,
      `Bytes of the bodies of requests ${what}.`,
    ),
    responseBytes: counter(
      `${prefix}_responses_bytes_total`,
      labels,
      `Bytes of the bodies of responses to requests ${what}.`,
    ),
    tls: counter(
      `${prefix}_requests_tls_total`,
      ['tls_version', 'tls_cipher', ...own],
      `Requests ${what} that came over TLS.`,
    ),
  }
}

export const REQUEST_FAMILIES: Readonly<Record<RequestScope, RequestFamilies>> = {
  entrypoint: requestFamilies('entrypoint', 'at an entrypoint', ['entrypoint']),
  router: requestFamilies('router', 'through a router', ['router', 'service']),
  service: requestFamilies('service', 'to a service', ['service']),
}

export const CONFIG_RELOADS = counter('traefik_config_reloads_total', [], 'Configuration changes applied.')
export const CONFIG_LAST_RELOAD_SUCCESS = gauge(
  'traefik_config_last_reload_success',
  [],
  'When a configuration change was last applied, in seconds since the epoch.',
)
export const OPEN_CONNECTIONS = gauge(
  'traefik_open_connections',
  ['entrypoint', 'protocol'],
  'Open connections of clients.',
)
export const CERTS_NOT_AFTER = gauge(
  'traefik_tls_certs_not_after',
  ['cn', 'sans', 'serial'],
  'When a certificate expires, in seconds since the epoch.',
)
export const SERVICE_RETRIES = counter(
  'traefik_service_retries_total',
  ['service'],
  'Requests tried again at a server of a service.',
)
export const SERVICE_SERVER_UP = gauge(
  'traefik_service_server_up',
  ['service', 'url'],
  'Whether a server takes requests (1) or is set aside (0).',
)

export const TLS_HANDSHAKE_FAILURES = counter(
  'sekisho_tls_handshake_failures_total',
  ['entrypoint', 'reason'],
  'TLS handshakes with clients that failed.',
)
export const CONNECTIONS_REFUSED = counter(
  'sekisho_connections_refused_total',
  ['entrypoint', 'reason'],
  'Connections closed right after they were accepted: over the cap of a client, bad PROXY protocol.',
)
export const ACCEPT_PAUSES = counter(
  'sekisho_accept_pauses_total',
  ['reason'],
  'Times that accepting connections was paused: descriptors used up, cap reached.',
)
export const PARSE_ERRORS = counter(
  'sekisho_http_parse_errors_total',
  ['side', 'code'],
  'Messages of clients (side downstream) and servers (upstream) that were refused, by error code.',
)
export const POOL_CONNECTIONS_OPEN = gauge(
  'sekisho_upstream_connections_open',
  ['worker'],
  'Connections to servers, in use and idle.',
)
export const POOL_CONNECTIONS_IDLE = gauge(
  'sekisho_upstream_connections_idle',
  ['worker'],
  'Connections to servers that wait for a request.',
)
export const POOL_CONNECTIONS_CREATED = counter(
  'sekisho_upstream_connections_created_total',
  ['worker'],
  'Connections made to servers.',
)
export const POOL_CONNECTIONS_REUSED = counter(
  'sekisho_upstream_connections_reused_total',
  ['worker'],
  'Requests that went out on a connection used before.',
)
export const POOL_CONNECT_ERRORS = counter(
  'sekisho_upstream_connect_errors_total',
  ['service', 'reason'],
  'Connections to servers that could not be made.',
)
export const NAME_LOOKUPS = counter(
  'sekisho_name_lookups_total',
  ['worker', 'result'],
  'Questions for the addresses of a server name: `resolved`, or `failed` when no address was the answer.',
)
export const NAMES_FAILING = gauge(
  'sekisho_names_failing',
  ['worker'],
  'Server names whose last question failed; their last addresses, if there were any, stay in use.',
)
export const SERVER_EJECTIONS = counter(
  'sekisho_server_ejections_total',
  ['service'],
  'Times that a server of a service was set aside for failing repeatedly.',
)
export const MEMORY_BUDGET_USED = gauge(
  'sekisho_memory_budget_used_bytes',
  ['worker'],
  'Bytes buffered by a worker on behalf of peers.',
)
export const MEMORY_BUDGET_LIMIT = gauge(
  'sekisho_memory_budget_limit_bytes',
  ['worker'],
  'Bound of the bytes a worker may buffer.',
)
export const MEMORY_BUDGET_REFUSED = counter(
  'sekisho_memory_budget_refused_total',
  ['worker'],
  'Requests refused because the memory budget was used up.',
)
export const ACCESS_LOG_DROPPED = counter(
  'sekisho_access_log_dropped_lines_total',
  [],
  'Lines of the access log that were lost: buffer full or write failed.',
)
export const FINDINGS = gauge(
  'sekisho_config_findings',
  ['severity'],
  'Findings in the configuration in force.',
)
export const CONFIG_LAST_CHANGE_TIME = gauge(
  'sekisho_config_last_change_timestamp_seconds',
  [],
  'When the configuration in force last changed, in seconds since the epoch.',
)
export const CONFIG_LAST_CHANGE_DURATION = gauge(
  'sekisho_config_last_change_duration_seconds',
  [],
  'How long the last change took from its event until every worker had it.',
)
export const CONFIG_CHANGE_DURATION: FamilyDeclaration = {
  name: 'sekisho_config_change_duration_seconds',
  type: 'histogram',
  labels: ['kind'],
  help: 'How long changes took from their event until every worker had them: of servers only (endpoints), or of more (routes).',
  buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
}
export const CONFIG_LAST_CHANGE_OBJECTS = gauge(
  'sekisho_config_last_change_objects',
  [],
  'Routers, services, middlewares and certificates in the last change.',
)
export const CONFIG_OBJECTS = gauge(
  'sekisho_config_objects',
  ['kind'],
  'Objects of the configuration in force: routers, services, middlewares, certificates.',
)

export const KUBE_OBJECTS = gauge(
  'sekisho_kube_objects',
  ['resource'],
  'Objects of the API server that are held, in the namespaces that are watched.',
)
export const KUBE_PROBLEMS = gauge(
  'sekisho_kube_problems',
  ['resource'],
  'Lists and watches that cannot be followed at present: no right, or no answer. 0: all are.',
)
export const KUBE_LAST_EVENT_TIME = gauge(
  'sekisho_kube_last_event_timestamp_seconds',
  ['resource'],
  'When the API server last told of a change, in seconds since the epoch.',
)
export const KUBE_LISTS = counter(
  'sekisho_kube_lists_total',
  ['resource'],
  'Complete lists asked for; more than one each means that a watch could not be resumed.',
)
export const KUBE_WATCHES = counter(
  'sekisho_kube_watches_total',
  ['resource'],
  'Watches begun; the API server ends each after some minutes.',
)
export const KUBE_STALLS = counter(
  'sekisho_kube_watch_stalls_total',
  ['resource'],
  'Watches given up because nothing came, not even a sign of life.',
)
export const KUBE_LEADER = gauge(
  'sekisho_kube_leader',
  [],
  'Whether this replica is the one that writes status and events (1) or not (0).',
)
export const KUBE_STATUS_WRITES = counter(
  'sekisho_kube_status_writes_total',
  ['result'],
  'Statuses of Ingresses: written, unchanged (looked at, and nothing to write), conflict (written by somebody else meanwhile; tried again).',
)
export const KUBE_EVENTS = counter(
  'sekisho_kube_events_total',
  ['result'],
  'Events about findings: written, or dropped because there were too many or they were refused.',
)

export const WORKERS = gauge('sekisho_workers', [], 'Workers that are running.')
export const WORKER_RESTARTS = counter(
  'sekisho_worker_restarts_total',
  [],
  'Workers replaced because they ended.',
)
export const LOOP_DELAY = gauge(
  'sekisho_worker_loop_delay_seconds',
  ['quantile', 'worker'],
  'How late the event loop of a thread was over the last interval; quantile 1 is the longest.',
)
export const HEAP_USED = gauge(
  'sekisho_worker_heap_used_bytes',
  ['worker'],
  'Heap of a thread that is in use.',
)
export const HEAP_TOTAL = gauge('sekisho_worker_heap_total_bytes', ['worker'], 'Heap of a thread.')
export const HEAP_LIMIT = gauge(
  'sekisho_worker_heap_limit_bytes',
  ['worker'],
  'Bound of the heap of a thread.',
)
export const EXTERNAL_MEMORY = gauge(
  'sekisho_worker_external_bytes',
  ['worker'],
  'Memory outside of the heap that objects of a thread hold (buffers).',
)

export const PROCESS_CPU = counter(
  'process_cpu_seconds_total',
  [],
  'User and system CPU time of the process.',
)
export const PROCESS_RESIDENT = gauge('process_resident_memory_bytes', [], 'Resident memory of the process.')
export const PROCESS_VIRTUAL = gauge('process_virtual_memory_bytes', [], 'Virtual memory of the process.')
export const PROCESS_OPEN_FDS = gauge('process_open_fds', [], 'Open file descriptors.')
export const PROCESS_MAX_FDS = gauge('process_max_fds', [], 'Bound of the open file descriptors.')
export const PROCESS_START_TIME = gauge(
  'process_start_time_seconds',
  [],
  'When the process started, in seconds since the epoch.',
)

/** In the order of the exposition and of the reference page. */
export const FAMILIES: readonly FamilyDeclaration[] = [
  CONFIG_RELOADS,
  CONFIG_LAST_RELOAD_SUCCESS,
  OPEN_CONNECTIONS,
  CERTS_NOT_AFTER,
  ...Object.values(REQUEST_FAMILIES.entrypoint),
  ...Object.values(REQUEST_FAMILIES.router),
  ...Object.values(REQUEST_FAMILIES.service),
  SERVICE_RETRIES,
  SERVICE_SERVER_UP,
  CONFIG_OBJECTS,
  FINDINGS,
  CONFIG_LAST_CHANGE_TIME,
  CONFIG_LAST_CHANGE_DURATION,
  CONFIG_CHANGE_DURATION,
  CONFIG_LAST_CHANGE_OBJECTS,
  CONNECTIONS_REFUSED,
  ACCEPT_PAUSES,
  TLS_HANDSHAKE_FAILURES,
  PARSE_ERRORS,
  POOL_CONNECTIONS_OPEN,
  POOL_CONNECTIONS_IDLE,
  POOL_CONNECTIONS_CREATED,
  POOL_CONNECTIONS_REUSED,
  NAME_LOOKUPS,
  NAMES_FAILING,
  POOL_CONNECT_ERRORS,
  SERVER_EJECTIONS,
  MEMORY_BUDGET_USED,
  MEMORY_BUDGET_LIMIT,
  MEMORY_BUDGET_REFUSED,
  ACCESS_LOG_DROPPED,
  KUBE_OBJECTS,
  KUBE_PROBLEMS,
  KUBE_LAST_EVENT_TIME,
  KUBE_LISTS,
  KUBE_WATCHES,
  KUBE_STALLS,
  KUBE_LEADER,
  KUBE_STATUS_WRITES,
  KUBE_EVENTS,
  WORKERS,
  WORKER_RESTARTS,
  LOOP_DELAY,
  HEAP_USED,
  HEAP_TOTAL,
  HEAP_LIMIT,
  EXTERNAL_MEMORY,
  PROCESS_CPU,
  PROCESS_RESIDENT,
  PROCESS_VIRTUAL,
  PROCESS_OPEN_FDS,
  PROCESS_MAX_FDS,
  PROCESS_START_TIME,
]

/** Traefik's `metrics.prometheus.*`, as far as series are concerned. */
export interface MetricsOptions {
  /** Upper bounds in seconds, ascending. */
  readonly buckets: readonly number[]
  readonly addEntryPointsLabels: boolean
  readonly addRoutersLabels: boolean
  readonly addServicesLabels: boolean
  /** Label name → request header whose value it takes, on the `…_requests_total` families. */
  readonly headerLabels: Readonly<Record<string, string>>
}

export const DEFAULT_METRICS_OPTIONS: MetricsOptions = {
  buckets: [0.1, 0.3, 1.2, 5],
  addEntryPointsLabels: true,
  addRoutersLabels: false,
  addServicesLabels: true,
  headerLabels: {},
}

/** Upper bounds of a histogram, ascending. */
export function bucketsOf(family: FamilyDeclaration, options: MetricsOptions): readonly number[] {
  return family.buckets ?? options.buckets
}

/** Names of the labels of a family's series under these options. */
export function labelNames(family: FamilyDeclaration, options: MetricsOptions): readonly string[] {
  if (family.takesHeaderLabels === undefined) return family.labels
  return [...family.labels, ...Object.keys(options.headerLabels)]
}
