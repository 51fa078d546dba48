/** `sekisho up DIR`: serves a directory of manifests on this machine, without a cluster. */
import { decodeStatic, staticSchema } from '#config/static/static.ts'
import type { StaticConfig } from '#config/static/static.ts'
import { UsageError, printWarnings } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { checkedDirectory } from './directory.ts'

export const DIRECTORY = { name: 'DIR', meaning: 'directory (or file) of Kubernetes manifests, YAML or JSON' }

export const upCommand: Command = {
  name: 'up',
  summary: 'serve a directory of Kubernetes manifests',
  description:
    'Reads every YAML and JSON document below DIR, serves what it finds, and follows changes of the files.\n' +
    'Listens on web (:80) and websecure (:443, TLS) unless entrypoints are given; without the right to bind those,\n' +
    'on :8080 and :8443. SIGTERM or Ctrl-C drains and ends, a second one ends now; SIGUSR1 reopens log files.',
  positionals: [DIRECTORY],
  schema: staticSchema,
  run: async (invocation) => {
    const dir = await checkedDirectory(invocation.positionals[0] ?? '')
    const config = staticConfigOf(invocation)
    const { manifestProvider } = await import('./manifest-provider.ts')
    const { runGateway } = await import('./gateway/gateway.ts')
    return runGateway({ static: config, provider: manifestProvider(dir, config, true) })
  },
}

/** The static configuration of a command's flags; throws a UsageError, prints warnings. */
export function staticConfigOf(invocation: Invocation): StaticConfig {
  const result = decodeStatic(invocation.flags)
  printWarnings(result.warnings)
  if (!result.ok) throw new UsageError(result.issues)
  return result.config
}
