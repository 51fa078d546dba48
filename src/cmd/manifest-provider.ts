/** The provider of a directory of manifests as the flags of a command ask for it. Called by every command with a DIR. */
import { defaultEntryPointNames, type StaticConfig } from '#config/static/static.ts'
import { errorText } from '#lib/errors.ts'
import { Backends } from '#providers/manifests/backends.ts'
import { ManifestProvider } from '#providers/manifests/provider.ts'
import { UsageError } from './command.ts'

/** `isWatching` false: one load, for commands that look and end. Throws a UsageError when `--backend` is wrong. */
export function manifestProvider(dir: string, config: StaticConfig, isWatching: boolean): ManifestProvider {
  const backends = parseBackends(config.backends)
  return new ManifestProvider(dir, {
    ...(config.ingressClass === undefined ? {} : { ingressClass: config.ingressClass }),
    ...(config.compat === undefined ? {} : { compat: config.compat }),
    backends: (namespace, service, port) => backends.backendsFor(namespace, service, port),
    defaultEntryPoints: defaultEntryPointNames(config),
    isWatching,
  })
}

function parseBackends(values: readonly string[]): Backends {
  try {
    return Backends.parse(values)
  } catch (error) {
    throw new UsageError(errorText(error))
  }
}
