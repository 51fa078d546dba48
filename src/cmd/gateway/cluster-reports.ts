/**
 * What the gateway writes back to its cluster, attached to the gateway: the reporter made of flags and of what the pod's
 * environment says (POD_NAME, POD_NAMESPACE by the downward API), its findings, log lines and metrics.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { ClusterConfig } from '#config/static/cluster.ts'
import type { MetricsAggregate } from '#observe/metrics/aggregate.ts'
import { KUBE_EVENTS, KUBE_LEADER, KUBE_STATUS_WRITES } from '#observe/metrics/families.ts'
import type { KubernetesIngressProvider } from '#providers/kubernetes-ingress/provider.ts'
import type { Publish } from '#providers/kubernetes-ingress/status/address-source.ts'
import { fromText } from '#providers/kubernetes-ingress/status/addresses.ts'
import { ClusterReporter } from '#providers/kubernetes-ingress/status/cluster-reporter.ts'
import type { OwnPod } from '#providers/kubernetes-ingress/status/replicas.ts'
import type { GatewayHost, GatewayPart } from './gateway.ts'

/** Starts it; to be called before the provider starts. */
export function reportToCluster(
  provider: KubernetesIngressProvider,
  cluster: ClusterConfig,
  environment: NodeJS.ProcessEnv,
  host: GatewayHost,
): GatewayPart {
  const { logger, metrics } = host
  const pod = ownPod(environment)
  const reporter = new ClusterReporter(
    provider,
    {
      election: {
        namespace: cluster.electionNamespace ?? pod?.namespace ?? provider.client.access.namespace,
        name: cluster.electionId,
        identity: `${pod?.name ?? hostname()}_${randomUUID()}`,
      },
      publish: publishOf(cluster),
      controllerClass: cluster.controllerClass,
      updatesForeignStatus: cluster.updateStatus,
      pod,
    },
    {
      onFindings: (findings) => host.report(findings),
      onLeader: (identity, isUs) => {
        if (isUs) logger.info('leads: writes status and events')
        else if (identity !== '') logger.info('another replica leads', { leader: identity })
      },
    },
  )
  if (metrics !== null) showReporter(metrics, reporter)
  reporter.start()
  return { leave: () => reporter.stop() }
}

/** Undefined outside of a pod, or in one that does not tell. */
function ownPod(environment: NodeJS.ProcessEnv): OwnPod | undefined {
  const name = environment['POD_NAME'] ?? ''
  const namespace = environment['POD_NAMESPACE'] ?? ''
  return name === '' || namespace === '' ? undefined : { name, namespace }
}

function publishOf({ publishService, publishAddress }: ClusterConfig): Publish {
  if (publishAddress.length > 0) return { kind: 'addresses', addresses: publishAddress.map(fromText) }
  if (publishService !== undefined) return { kind: 'service', ...publishService }
  return { kind: 'nodes' }
}

function showReporter(metrics: MetricsAggregate, reporter: ClusterReporter): void {
  const { own } = metrics
  metrics.onScrape(() => {
    const { isLeading, status, events } = reporter.facts
    own.gauge(KUBE_LEADER).set(Number(isLeading))
    own.counter(KUBE_STATUS_WRITES, ['written']).set(status.written)
    own.counter(KUBE_STATUS_WRITES, ['unchanged']).set(status.suppressed)
    own.counter(KUBE_STATUS_WRITES, ['conflict']).set(status.conflicts)
    own.counter(KUBE_EVENTS, ['written']).set(events.written)
    own.counter(KUBE_EVENTS, ['dropped']).set(events.dropped)
  })
}
