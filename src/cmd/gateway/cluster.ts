/**
 * The gateway with a cluster behind it: finds the way to the API server, makes client and provider of the flags, and
 * hands them to the gateway. What is written back to the cluster is attached here.
 */
import { ConfigError } from '#lib/errors.ts'
import type { ClusterConfig } from '#config/static/cluster.ts'
import { defaultEntryPointNames, type StaticConfig } from '#config/static/static.ts'
import type { ClusterAccess } from '#kube/access.ts'
import { KubeClient } from '#kube/client.ts'
import { KubeError } from '#kube/errors.ts'
import { findAccess } from '#kube/find-access.ts'
import { servesClass, type ClassPolicy } from '#providers/kubernetes/class.ts'
import type { ClusterSourceOptions } from '#providers/kubernetes-ingress/cluster-source.ts'
import { KubernetesIngressProvider } from '#providers/kubernetes-ingress/provider.ts'
import { EXIT_FAILED, UsageError } from '../command.ts'
import { packageVersion } from '../package-info.ts'
import { reportToCluster } from './cluster-reports.ts'
import { runGateway } from './gateway.ts'
import { showInformers } from './informer-metrics.ts'
import { followZone, ownPlace } from './own-node.ts'

/** Serves until a signal; resolves with the exit code. */
export async function runClusterGateway(config: StaticConfig, cluster: ClusterConfig): Promise<number> {
  const access = openAccess(cluster)
  if (access === undefined) return EXIT_FAILED
  const client = new KubeClient(access, { userAgent: `sekisho/${packageVersion()}` })
  const place = ownPlace(cluster, process.env)
  const provider = new KubernetesIngressProvider(client, {
    source: sourceOptions(cluster),
    translator: {
      classes: classPolicy(cluster),
      isCluster: true,
      allowsExternalNames: cluster.allowExternalNameServices,
      defaultEntryPoints: defaultEntryPointNames(config),
      ...(place === undefined ? {} : { locality: place }),
      ...(config.compat === undefined ? {} : { compat: config.compat }),
      backends: () => [],
    },
  })
  const ending = new AbortController()
  try {
    return await runGateway({
      static: config,
      provider,
      attach: (part) => {
        const { logger, metrics } = part
        const { host, port } = access.server
        logger.info('following a cluster', { access: access.origin, server: `${host}:${port}` })
        if (metrics !== null) showInformers(metrics, provider)
        void followZone(client, place, logger, ending.signal, (locality) => provider.setLocality(locality))
        return reportToCluster(provider, cluster, process.env, part)
      },
    })
  } finally {
    ending.abort()
    client.close()
  }
}

function classPolicy(cluster: ClusterConfig): ClassPolicy {
  const { controllerClass, ingressClass, watchIngressWithoutClass } = cluster
  return {
    kind: 'cluster',
    controller: controllerClass,
    ...(ingressClass === undefined ? {} : { only: ingressClass }),
    isClasslessServed: watchIngressWithoutClass,
  }
}

function sourceOptions(cluster: ClusterConfig): ClusterSourceOptions {
  const { watchNamespace, watchNamespaceSelector, ingressLabelSelector } = cluster
  const policy = classPolicy(cluster)
  return {
    namespaces: [...new Set(watchNamespace)],
    ...(watchNamespaceSelector === undefined ? {} : { namespaceSelector: watchNamespaceSelector }),
    ...(ingressLabelSelector === undefined ? {} : { ingressSelector: ingressLabelSelector }),
    servesClass: (ingressClass) => servesClass(policy, ingressClass),
  }
}

/** Undefined, and told, when there are no credentials; throws a UsageError for a wrong kubeconfig. */
function openAccess({ kubeconfig, context }: ClusterConfig): ClusterAccess | undefined {
  try {
    return findAccess({
      ...(kubeconfig === undefined ? {} : { file: kubeconfig }),
      ...(context === undefined ? {} : { context }),
    })
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message)
    if (!(error instanceof KubeError)) throw error
    process.stderr.write(`sekisho gateway: no way to the API server: ${error.message}\n`)
    return undefined
  }
}
