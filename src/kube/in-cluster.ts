/**
 * Access from inside a pod: the address in the environment, and the service account's token, authority and namespace
 * that the kubelet keeps in a directory and replaces as they rotate (Kubernetes, "Accessing the API from a Pod").
 */
import { readFileSync } from 'node:fs'
import { errorCode } from '#lib/errors.ts'
import type { ClusterAccess } from './access.ts'
import { CredentialFile } from './credential-file.ts'
import { PlainCredentials } from './credentials.ts'
import { KubeError } from './errors.ts'
import { proxyFromEnvironment } from './proxy-environment.ts'
import type { Timers } from './timers.ts'

export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The environment says that this is a pod. */
export function isInCluster(environment: NodeJS.ProcessEnv): boolean {
  return Boolean(environment['KUBERNETES_SERVICE_HOST']) && Boolean(environment['KUBERNETES_SERVICE_PORT'])
}

/** Throws a KubeError (`Credentials`) that says what is missing. */
export function inClusterAccess(
  environment: NodeJS.ProcessEnv,
  timers: Timers,
  directory = SERVICE_ACCOUNT_DIRECTORY,
): ClusterAccess {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = Number(environment['KUBERNETES_SERVICE_PORT'])
  if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    const message =
      'this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; give a kubeconfig file'
    throw new KubeError(0, 'Credentials', message)
  }
  const token = new CredentialFile(`${directory}/token`, 'token', timers)
  const authority = new CredentialFile(`${directory}/ca.crt`, 'authority', timers)
  // Both once now, so that a pod without a service account is told at its start.
  token.text()
  authority.text()
  return {
    server: { isTls: true, host, port, basePath: '' },
    namespace: readNamespace(`${directory}/namespace`),
    origin: 'in-cluster',
    proxy: proxyFromEnvironment({ isTls: true, host, port }, environment),
    tls: { serverName: undefined, verify: true, authorities: () => authority.text() },
    credentials: new PlainCredentials({ kind: 'bearer', token }),
    headers: [],
  }
}

function readNamespace(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'default'
  } catch (error) {
    throw new KubeError(0, 'Credentials', `namespace file ${path}: ${errorCode(error)}`, { cause: error })
  }
}
