/**
 * What this node cannot do and will not leave out in silence: such pods fail at once and say why. Pure.
 */
import type { Pod } from './pod.ts'

/** Undefined: nothing in the way. */
export function unsupportedFeature(pod: Pod): string | undefined {
  const { spec } = pod
  if (spec.hostPID === true) return 'hostPID is not supported by this node'
  if (spec.hostIPC === true) return 'hostIPC is not supported by this node'
  if (spec.shareProcessNamespace === true) return 'shareProcessNamespace is not supported by this node'
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    if ((container.volumeDevices?.length ?? 0) > 0)
      return `container ${container.name}: volumeDevices are not supported by this node`
  }
  return undefined
}
