/**
 * One reading of a directory for the commands that look and end (check, routes, explain): the same provider, resolution
 * and checks as in the gateway, without workers and sockets.
 */
import { CertificateStore } from '#certs/store.ts'
import type { MiddlewareConfig, RouterConfig, ServiceConfig } from '#config/model/dynamic.ts'
import type { Finding } from '#config/model/finding.ts'
import { defaultEntryPointNames, routableEntryPointNames } from '#config/static/static.ts'
import type { StaticConfig } from '#config/static/static.ts'
import { errorText } from '#lib/errors.ts'
import { SlotAllocator } from '#net/shared/slot-allocator.ts'
import { RuntimeConfig } from '#proxy/control/runtime-config.ts'
import { RoutingProgram } from '#proxy/router/program.ts'
import { UpstreamSlots } from '#proxy/upstream/slots.ts'
import { manifestProvider } from './manifest-provider.ts'

export interface Snapshot {
  /** What a worker would execute; the payload is the router itself, closed where resolution closed it. */
  readonly program: RoutingProgram<RouterConfig>
  readonly services: ReadonlyMap<string, ServiceConfig>
  /** Those that are valid. */
  readonly middlewares: ReadonlyMap<string, MiddlewareConfig>
  readonly certificates: CertificateStore
  readonly certificateCount: number
  /** Of provider, resolution, routing and certificates. */
  readonly findings: readonly Finding[]
}

/** Reads DIR once. Throws a UsageError when the flags about backends are wrong. */
export async function readSnapshot(dir: string, config: StaticConfig): Promise<Snapshot> {
  const provider = manifestProvider(dir, config, false)
  const program = new RoutingProgram<RouterConfig>({ defaultEntryPoints: defaultEntryPointNames(config) })
  const services = new Map<string, ServiceConfig>()
  const certificates = new CertificateStore()
  const middlewares = new Map<string, MiddlewareConfig>()
  const known = new Set<string>()
  // Nothing runs on the slots: nobody to send slabs to, and one lane is enough.
  const allocator = new SlotAllocator({ onSlab: () => undefined })
  const runtime = new RuntimeConfig(
    allocator,
    new UpstreamSlots(allocator, 1),
    routableEntryPointNames(config),
    Date.now,
  )
  const routing: Finding[] = []
  let provided: readonly Finding[] = []
  const sink = {
    apply: (delta: Parameters<RuntimeConfig['apply']>[0]): void => {
      for (const op of runtime.apply(delta)) {
        if (op.op === 'router') setRouter(program, op.config, routing)
        else if (op.op === 'service') services.set(op.config.name, op.config)
        else if (op.op === 'middleware') middlewares.set(op.config.name, op.config)
        else if (op.op === 'certificate') {
          known.add(op.config.name)
          certificates.set(op.config.name, op.config)
        }
      }
    },
    findings: (list: readonly Finding[]): void => {
      provided = list
    },
    synced: (): void => undefined,
  }
  await provider.start(sink, new AbortController().signal)
  const findings = [...provided, ...routing, ...runtime.findings(), ...certificates.findings(Date.now())]
  return { program, services, middlewares, certificates, certificateCount: known.size, findings }
}

/** A router that cannot be compiled is an error of its own; the others stand. */
function setRouter(program: RoutingProgram<RouterConfig>, config: RouterConfig, findings: Finding[]): void {
  try {
    program.set(config, config)
  } catch (error) {
    const { origin } = config
    findings.push({
      code: 'router-invalid',
      severity: 'error',
      object: `${origin.kind} ${origin.namespace}/${origin.name}`,
      ...(origin.place === undefined ? {} : { place: origin.place }),
      message: `router ${config.name}: ${errorText(error)}`,
    })
  }
}
