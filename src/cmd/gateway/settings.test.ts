import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseFlags } from '#config/static/flags.ts'
import { decodeStatic, staticSchema, type StaticConfig } from '#config/static/static.ts'
import { walkOptions } from '#lib/schema/walk.ts'
import { addressCapacity, entryPointSpec, workerCount, workerSettings } from './settings.ts'

/** Each option with a value that is not its default; NAME and the like stand for `web` here. */
const TOLD_TO_WORKERS: Readonly<Record<string, string>> = {
  'entryPoints.NAME.asDefault': 'true',
  'entryPoints.NAME.http.tls': 'true',
  'entryPoints.NAME.http.maxHeaderBytes': '2KiB',
  'entryPoints.NAME.http.upgradeTokens': 'chat',
  'entryPoints.NAME.forwardedHeaders.insecure': 'true',
  'entryPoints.NAME.forwardedHeaders.trustedIPs': '10.0.0.0/8',
  'entryPoints.NAME.forwardedHeaders.connection': 'X-Kept',
  'entryPoints.NAME.forwardedHeaders.notAppendXForwardedFor': 'true',
  'entryPoints.NAME.proxyProtocol.insecure': 'true',
  'entryPoints.NAME.proxyProtocol.trustedIPs': '10.0.0.0/8',
  'entryPoints.NAME.transport.respondingTimeouts.readTimeout': '7s',
  'entryPoints.NAME.transport.respondingTimeouts.writeTimeout': '7s',
  'entryPoints.NAME.transport.respondingTimeouts.idleTimeout': '7s',
  'entryPoints.NAME.transport.keepAliveMaxTime': '7s',
  'entryPoints.NAME.transport.keepAliveMaxRequests': '7',
  'log.level': 'WARN',
  'log.format': 'json',
  'log.filePath': '/tmp/log',
  accessLog: 'true',
  'accessLog.filePath': '/tmp/access',
  'accessLog.format': 'json',
  'accessLog.bufferingSize': '7',
  'accessLog.filters.statusCodes': '500-599',
  'accessLog.filters.retryAttempts': 'true',
  'accessLog.filters.minDuration': '7s',
  'accessLog.fields.defaultMode': 'drop',
  'accessLog.fields.names.FIELD': 'drop',
  'accessLog.fields.headers.defaultMode': 'keep',
  'accessLog.fields.headers.names.HEADER': 'keep',
  'accessLog.fields.queryParameters.defaultMode': 'redact',
  'metrics.prometheus': 'true',
  'metrics.prometheus.buckets': '1,2',
  'metrics.prometheus.addEntryPointsLabels': 'false',
  'metrics.prometheus.addRoutersLabels': 'true',
  'metrics.prometheus.addServicesLabels': 'false',
  'metrics.prometheus.headerLabels.LABEL': 'X-Tenant',
  workers: '7',
  'limits.maxHeaderFields': '77',
  'limits.maxResponseHeadBytes': '2KiB',
  'limits.headTimeout': '7s',
  'limits.connectTimeout': '7s',
  'limits.responseHeadTimeout': '7s',
  'limits.responseGapTimeout': '7s',
  'limits.requestSendTimeout': '7s',
  'limits.tunnelIdleTimeout': '7s',
  'limits.upstreamIdleTimeout': '7s',
  'limits.maxIdlePerServer': '7',
  'limits.maxConnections': '7',
  'limits.maxConnectionsPerClient': '7',
  'limits.memoryBudget': '7MiB',
}

/** Options that control itself follows, or that have one value. */
const NOT_TOLD: readonly string[] = [
  'entryPoints.NAME.address',
  'entryPoints.NAME.transport.lifeCycle.requestAcceptGraceTimeout',
  'entryPoints.NAME.transport.lifeCycle.graceTimeOut',
  'log',
  'ping',
  'ping.entryPoint',
  'ping.terminatingStatusCode',
  'metrics.prometheus.entryPoint',
  'ingressClass',
  'compat',
  'backend',
]

const STANDS_FOR: Readonly<Record<string, string>> = {
  NAME: 'web',
  FIELD: 'RequestPath',
  HEADER: 'Referer',
  LABEL: 'tenant',
}

function configOf(...args: string[]): StaticConfig {
  const result = decodeStatic(parseFlags(args, staticSchema).tree)
  assert.ok(result.ok, JSON.stringify(result))
  return result.config
}

/** All that workers are told of an option. */
function told(...args: string[]): string {
  const config = configOf(...args)
  return JSON.stringify([
    workerCount(config),
    workerSettings(config, {}),
    addressCapacity(config),
    entryPointSpec(config.entryPoints['web']!, config, 80),
  ])
}

describe('what workers are told', () => {
  for (const [name, value] of Object.entries(TOLD_TO_WORKERS)) {
    it(`changes with --${name}=${value}`, () => {
      const flag = name
        .split('.')
        .map((part) => STANDS_FOR[part] ?? part)
        .join('.')
      // Options below a group change nothing that is switched off.
      const group = /^(?:accessLog|metrics\.prometheus)(?=\.)/.exec(flag)
      const before = group === null ? [] : [`--${group[0]}=true`]
      assert.notEqual(told(...before, `--${flag}=${value}`), told(...before))
    })
  }

  it('has a row here for every option', () => {
    const rows = walkOptions(staticSchema).map((row) => row.name)
    assert.deepEqual(rows.toSorted(), [...Object.keys(TOLD_TO_WORKERS), ...NOT_TOLD].toSorted())
  })

  it('says how long nothing may happen where 0 means for ever', () => {
    const { entryPoints, ...rest } = configOf('--entryPoints.web.transport.respondingTimeouts.idleTimeout=0')
    const { limits } = entryPointSpec(entryPoints['web']!, { entryPoints, ...rest }, 80)
    assert.ok(limits.idleMs > 30 * 86_400_000, String(limits.idleMs))
  })

  it('divides the connections of the process among the workers', () => {
    const config = configOf('--workers=4', '--limits.maxConnections=10')
    assert.equal(workerSettings(config, {}).maxConnectionsHere, 3)
  })
})
