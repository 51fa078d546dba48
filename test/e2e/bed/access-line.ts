/** Lines of the access log of a gateway that runs with JSON_ACCESS_LOG, found by the path of their request. */
import type { GatewayProcess } from './gateway-process.ts'

export const JSON_ACCESS_LOG = ['--accessLog', '--accessLog.format=json'] as const

export interface AccessLine {
  readonly RequestPath: string
  readonly DownstreamStatus: number
  /** Absent when no server answered. */
  readonly OriginStatus?: number
  readonly RetryAttempts: number
  readonly RequestContentSize: number
  readonly DownstreamContentSize: number
  readonly ServiceAddr: string
  readonly ServiceName: string
  /** ns. */
  readonly Duration: number
}

/** The first line of this path, now or when it is written. */
export async function accessLine(gateway: GatewayProcess, path: string): Promise<AccessLine> {
  const quoted = JSON.stringify(path).replaceAll(/[.?*+^$()[\]{}|\\/]/g, String.raw`\$&`)
  const [line] = await gateway.printed(new RegExp(`^.*"RequestPath":${quoted}[,}].*$`, 'm'))
  return JSON.parse(line) as AccessLine
}
