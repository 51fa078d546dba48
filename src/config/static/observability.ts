/** Options of log, access log, metrics and health answers, with Traefik's names. Decoded durations are milliseconds. */
import { list, map, object } from '#lib/schema/composites.ts'
import { boolean, duration, integer, number, oneOf, string } from '#lib/schema/scalars.ts'
import { nearestName } from '#lib/schema/nearest.ts'
import type { Infer } from '#lib/schema/schema.ts'
import { ACCESS_LOG_FIELDS } from '#observe/access-log-format.ts'

const NOT_YET = 'not built yet'
const ROTATION = 'rotate the file from outside and send SIGUSR1'

const internalEntryPoint = () => oneOf(['traefik']).default('traefik')

const filePath = () => string({ minLength: 1 }).optional().named('FILE')

export const logSchema = object(
  {
    level: oneOf(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'PANIC'])
      .default('INFO')
      .describe('Least severe messages that are written. Traefik: ERROR.'),
    format: oneOf(['common', 'json']).default('common').describe('Lines of text, or one JSON object a line.'),
    filePath: filePath().describe('File to append to; reopened on SIGUSR1. Without it: standard error.'),
  },
  {
    isGroup: true,
    later: { otlp: NOT_YET },
    ignored: {
      noColor: 'lines are never coloured',
      maxSize: ROTATION,
      maxAge: ROTATION,
      maxBackups: ROTATION,
      compress: ROTATION,
    },
  },
)

const keepOrDrop = () => oneOf(['keep', 'drop'])
const keepDropOrRedact = () => oneOf(['keep', 'drop', 'redact'])

const statusRange = string({ maxLength: 7 }).refine((text) => {
  const match = /^([1-9]\d\d)(?:-([1-9]\d\d))?$/.exec(text)
  const isRange = match !== null && Number(match[1]) <= Number(match[2] ?? match[1])
  return isRange ? undefined : 'must be a status code or a range such as 500-599'
})

const filters = object({
  statusCodes: list(statusRange)
    .default([])
    .named('CODE[-CODE],…')
    .describe('Keep lines whose status is one of these. A line is kept when any filter keeps it.'),
  retryAttempts: boolean().default(false).describe('Keep lines of requests that were tried more than once.'),
  minDuration: duration().default(0).describe('Keep lines of requests that took at least this long.'),
})

const headers = object({
  defaultMode: keepDropOrRedact().default('drop').describe('What becomes of headers in the JSON format.'),
  names: map(keepDropOrRedact(), { keyName: 'HEADER' }).default({}).describe('The same for one header.'),
})

const queryParameters = object({
  defaultMode: keepDropOrRedact()
    .default('keep')
    .describe('What becomes of queries: of their values (`redact`), or of the whole (`drop`).'),
})

/** Fields of Traefik that no line has here: to say what becomes of them is no mistake. */
const ABSENT_FIELDS: readonly string[] = ['GzipRatio', 'trace_id', 'span_id', 'TraceId', 'SpanId']

function fieldProblem(name: string): string | undefined {
  const known = [...ACCESS_LOG_FIELDS, ...ABSENT_FIELDS]
  if (known.some((field) => field.toLowerCase() === name.toLowerCase())) return undefined
  const nearest = nearestName(name, known)
  const way = nearest === undefined ? `there are ${ACCESS_LOG_FIELDS.join(', ')}` : `did you mean ${nearest}?`
  return `is no field of a line (${way})`
}

const fields = object({
  defaultMode: keepOrDrop().default('keep').describe('What becomes of the fields of a line.'),
  names: map(keepOrDrop(), { keyName: 'FIELD', checkKey: fieldProblem })
    .default({})
    .describe('The same for one field.'),
  headers: headers.default(headers.parseOrThrow({})),
  queryParameters: queryParameters.default(queryParameters.parseOrThrow({})),
})

export const accessLogSchema = object(
  {
    filePath: filePath().describe('File to append to; reopened on SIGUSR1. Without it: standard output.'),
    format: oneOf(['common', 'genericCLF', 'json'])
      .default('common')
      .describe(
        "Traefik's extended Common Log Format, the same without Traefik's columns, or one JSON object a line.",
      ),
    bufferingSize: integer({ min: 0, max: 1_000_000 })
      .default(0)
      .describe('Lines gathered before they are written. 0: those of about a tenth of a second.'),
    filters: filters.default(filters.parseOrThrow({})),
    fields: fields.default(fields.parseOrThrow({})),
  },
  { isGroup: true, later: { otlp: NOT_YET, addInternals: NOT_YET, dualOutput: NOT_YET } },
)

export const pingSchema = object(
  {
    entryPoint: internalEntryPoint().describe('Entrypoint that answers.'),
    terminatingStatusCode: integer({ min: 200, max: 599 })
      .default(503)
      .describe('Status of `/ping` after SIGTERM.'),
  },
  { isGroup: true, later: { manualRouting: NOT_YET } },
)

/** Labels that request counters have of their own; one twice makes the whole page unreadable to Prometheus. */
const OWN_LABELS: readonly string[] = ['code', 'method', 'protocol', 'entrypoint', 'router', 'service']

function labelNamesProblem(labels: Readonly<Record<string, string>>): string | undefined {
  for (const name of Object.keys(labels)) {
    if (!/^(?!__)[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      return `${JSON.stringify(name)} is no label name: letters, digits and _ only, no digit and no __ in front`
    }
    if (OWN_LABELS.includes(name)) return `${JSON.stringify(name)} is a label that requests have already`
  }
  return undefined
}

const prometheus = object(
  {
    buckets: list(number({ min: 0 }))
      .default([0.1, 0.3, 1.2, 5])
      .named('SECONDS,…')
      .describe('Upper bounds of the duration histograms, in seconds.')
      .refine((values) =>
        values.every((value, index) => index === 0 || value > (values[index - 1] ?? 0))
          ? undefined
          : 'must ascend',
      ),
    addEntryPointsLabels: boolean().default(true).describe('Series per entrypoint.'),
    addRoutersLabels: boolean().default(false).describe('Series per router.'),
    addServicesLabels: boolean().default(true).describe('Series per service.'),
    headerLabels: map(string({ minLength: 1 }), { keyName: 'LABEL' })
      .default({})
      .named('HEADER')
      .describe('Further labels of the request counters, filled from a request header.')
      .refine(labelNamesProblem),
    entryPoint: internalEntryPoint().describe('Entrypoint that answers `/metrics`.'),
  },
  { isGroup: true, later: { manualRouting: NOT_YET } },
)

export const metricsSchema = object(
  { prometheus: prometheus.optional().describe('Serve `/metrics` in the Prometheus text format.') },
  { later: { datadog: NOT_YET, influxDB2: NOT_YET, otlp: NOT_YET, statsD: NOT_YET, addInternals: NOT_YET } },
)

export type LogOptions = Infer<typeof logSchema>
export type AccessLogOptions = Infer<typeof accessLogSchema>
export type PingOptions = Infer<typeof pingSchema>
export type MetricsOptions = Infer<typeof metricsSchema>
