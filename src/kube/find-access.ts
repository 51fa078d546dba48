/**
 * Which way to the API server: the kubeconfig that was asked for, by option or KUBECONFIG; inside of a pod its service
 * account; else the kubeconfig in the home directory. Called by the commands that need a cluster.
 */
import type { ClusterAccess } from './access.ts'
import { inClusterAccess, isInCluster, SERVICE_ACCOUNT_DIRECTORY } from './in-cluster.ts'
import { kubeconfigAccess, type KubeconfigChoice } from './kubeconfig-access.ts'
import { SYSTEM_TIMERS, type Timers } from './timers.ts'

/** Throws a ConfigError or a KubeError (`Credentials`), whose message says what to do. */
export function findAccess(
  choice: KubeconfigChoice,
  environment: NodeJS.ProcessEnv = process.env,
  timers: Timers = SYSTEM_TIMERS,
  serviceAccountDirectory = SERVICE_ACCOUNT_DIRECTORY,
): ClusterAccess {
  const isAsked = Boolean(choice.file) || Boolean(choice.context) || Boolean(environment['KUBECONFIG'])
  if (!isAsked && isInCluster(environment))
    return inClusterAccess(environment, timers, serviceAccountDirectory)
  return kubeconfigAccess(choice, environment, timers)
}
