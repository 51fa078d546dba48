/** From static configuration to what the data plane is told, with what the machine allows. */
import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { INTERNAL_ENTRY_POINT, type EntryPoint, type StaticConfig } from '#config/static/static.ts'
import type { EntryPointSpec } from '#proxy/worker/entry-point-spec.ts'
import type { WorkerSettings } from '#proxy/worker/ops.ts'

/** Descriptors that are not for connections: files, sockets of control, pipes of workers. At most half of all. */
const RESERVED_DESCRIPTORS = 256
/** Lanes of shared counts (net/shared/lanes). */
const MAX_WORKERS = 48
/** Share of the memory that all workers together may hold in buffers. */
const BUDGET_SHARE = 0.25
const MIN_BUDGET_BYTES = 32 * 1024 * 1024

export function workerCount(config: StaticConfig): number {
  return config.workers ?? Math.min(MAX_WORKERS, availableParallelism())
}

export function workerSettings(config: StaticConfig, env: NodeJS.ProcessEnv): WorkerSettings {
  const workers = workerCount(config)
  const { limits, log, accessLog, metrics } = config
  return {
    defaultEntryPoints: Object.values(config.entryPoints)
      .filter((entry) => entry.asDefault)
      .map((entry) => entry.name),
    memoryBudgetBytes:
      limits.memoryBudget ?? Math.max(MIN_BUDGET_BYTES, Math.floor((memoryLimit() * BUDGET_SHARE) / workers)),
    maxConnectionsHere: Math.max(1, Math.ceil(connectionCap(limits.maxConnections) / workers)),
    maxConnectionsPerClient: limits.maxConnectionsPerClient,
    maxDescriptors: maxDescriptors(),
    upstream: {
      connectMs: limits.connectTimeout,
      headMs: limits.responseHeadTimeout,
      gapMs: limits.responseGapTimeout,
      sendMs: limits.requestSendTimeout,
      idleMs: limits.upstreamIdleTimeout,
      maxIdlePerServer: limits.maxIdlePerServer,
      maxHeadBytes: limits.maxResponseHeadBytes,
      maxFields: limits.maxHeaderFields,
    },
    stickyKey: env['SEKISHO_STICKY_KEY'] ?? '',
    log: {
      level: logLevel(log.level),
      format: log.format,
      ...(log.filePath === undefined ? {} : { filePath: log.filePath }),
    },
    accessLog:
      accessLog === undefined
        ? undefined
        : {
            ...(accessLog.filePath === undefined ? {} : { filePath: accessLog.filePath }),
            format: accessLog.format,
            bufferingSize: accessLog.bufferingSize,
            filters: {
              statusCodes: accessLog.filters.statusCodes,
              retryAttempts: accessLog.filters.retryAttempts,
              minDurationMs: accessLog.filters.minDuration,
            },
            fields: accessLog.fields,
          },
    metrics: metrics.prometheus,
    isFastPath: env['SEKISHO_FAST_PATH'] !== '0',
    transport: env['SEKISHO_TRANSPORT'] === 'poison' ? 'poison' : 'net',
  }
}

/** Room for every connection to come from an address of its own, four times, so that no bucket fills up by chance. */
export function addressCapacity(config: StaticConfig): number {
  return config.limits.maxConnectionsPerClient === 0 ? 1024 : 4 * connectionCap(config.limits.maxConnections)
}

/** `port`: the one that was bound. */
export function entryPointSpec(
  entry: EntryPoint,
  config: StaticConfig,
  port: number,
): Omit<EntryPointSpec, 'number'> {
  const { transport, forwardedHeaders, proxyProtocol, http } = entry
  const { respondingTimeouts } = transport
  const { limits } = config
  return {
    name: entry.name,
    port,
    isTls: http.tls,
    isInternal: entry.name === INTERNAL_ENTRY_POINT,
    limits: {
      maxHeadBytes: http.maxHeaderBytes,
      maxFields: limits.maxHeaderFields,
      headMs: limits.headTimeout,
      idleMs: orForEver(respondingTimeouts.idleTimeout),
      bodyProgressMs: orForEver(respondingTimeouts.readTimeout),
      sendProgressMs: orForEver(respondingTimeouts.writeTimeout),
      tunnelIdleMs: limits.tunnelIdleTimeout,
      keepAliveMaxRequests: transport.keepAliveMaxRequests,
      keepAliveMaxMs: transport.keepAliveMaxTime,
      maxRequestBodyBytes: 0,
    },
    trustedPeers: forwardedHeaders.trustedIPs,
    isInsecure: forwardedHeaders.insecure,
    keptConnectionFields: forwardedHeaders.connection,
    appendsForwardedFor: !forwardedHeaders.notAppendXForwardedFor,
    proxyProtocolPeers: proxyProtocol.trustedIPs,
    isProxyProtocolInsecure: proxyProtocol.insecure,
    upgradeTokens: http.upgradeTokens,
  }
}

/** The program has four levels; the names of Traefik's others mean the nearest. */
export function logLevel(level: StaticConfig['log']['level']): 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' {
  switch (level) {
    case 'TRACE':
    case 'DEBUG':
      return 'DEBUG'
    case 'INFO':
    case 'WARN':
      return level
    case 'ERROR':
    case 'FATAL':
    case 'PANIC':
      return 'ERROR'
  }
}

/** 0 means none; a year is as good and needs no case of its own. */
function orForEver(ms: number): number {
  return ms === 0 ? 31_536_000_000 : ms
}

/** A proxied connection needs two descriptors. */
function connectionCap(wanted: number): number {
  const limit = maxDescriptors()
  const reserved = Math.min(RESERVED_DESCRIPTORS, limit >> 1)
  return Math.max(1, Math.min(wanted, Math.floor((limit - reserved) / 2)))
}

function maxDescriptors(): number {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    const count = Number(soft)
    return Number.isFinite(count) ? count : 1_048_576
  } catch {
    return 1024
  }
}

/** Of the control group where there is one, of the machine otherwise. */
function memoryLimit(): number {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'latin1'))
    if (Number.isFinite(limit) && limit > 0) return Math.min(limit, totalmem())
  } catch {
    // No control group of version 2 here.
  }
  return totalmem()
}
