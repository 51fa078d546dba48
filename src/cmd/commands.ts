/** Every command, in the order of the help text. A name and a line are here so that listing them loads nothing. */
import type { Command } from './command.ts'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<Command>
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'serve a directory of Kubernetes manifests',
    load: async () => (await import('./up.ts')).upCommand,
  },
  {
    name: 'gateway',
    summary: 'serve the Ingresses of a Kubernetes cluster',
    load: async () => (await import('./gateway.ts')).gatewayCommand,
  },
  {
    name: 'check',
    summary: 'say what is wrong or doubtful in a directory of manifests',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  {
    name: 'routes',
    summary: 'print the table of routes of a directory of manifests',
    load: async () => (await import('./routes.ts')).routesCommand,
  },
  {
    name: 'explain',
    summary: 'say where a request goes, and why not elsewhere',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  {
    name: 'quickstart',
    summary: 'serve the example of examples/quickstart, backends included',
    load: async () => (await import('./quickstart/quickstart.ts')).quickstartCommand,
  },
  {
    name: 'version',
    summary: 'print the versions of sekisho and of its Node',
    load: async () => (await import('./version.ts')).versionCommand,
  },
]
