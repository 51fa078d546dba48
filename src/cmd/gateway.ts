/** `sekisho gateway`: serves the Ingresses of a Kubernetes cluster, inside of it or from outside. */
import { decodeGateway, gatewaySchema } from '#config/static/cluster.ts'
import { UsageError, printWarnings } from './command.ts'
import type { Command } from './command.ts'

export const gatewayCommand: Command = {
  name: 'gateway',
  summary: 'serve the Ingresses of a Kubernetes cluster',
  description:
    'Reads Ingresses, IngressClasses, Services, EndpointSlices and the Secrets that Ingresses name from the API server,\n' +
    'serves them, and follows every change. In a pod it uses the service account, elsewhere a kubeconfig.\n' +
    'Listens as `sekisho up` does. Not ready (/ready) before everything that it may read has been read.\n' +
    'SIGTERM or Ctrl-C drains and ends, a second one ends now; SIGUSR1 reopens log files.',
  positionals: [],
  schema: gatewaySchema,
  run: async ({ flags }) => {
    const result = decodeGateway(flags)
    printWarnings(result.warnings)
    if (!result.ok) throw new UsageError(result.issues)
    const { runClusterGateway } = await import('./gateway/cluster.ts')
    return runClusterGateway(result.config, result.cluster)
  },
}
