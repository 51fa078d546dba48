/** Objects that tests need again and again: Deployments and Services of the bed's images. */

/** A machine that has much else to do is no reason for a pod to be unready. */
const SLOW_SECONDS = 10

export interface DeploymentOptions {
  readonly name: string
  readonly namespace?: string
  /** Default 1. */
  readonly replicas?: number
  /** Default `backend` (images/backend.ts), which listens on 8080. */
  readonly image?: string
  readonly env?: Readonly<Record<string, string>>
  /** Named `http`; default 8080. */
  readonly port?: number
  /** Asked every second; default `/healthz`, undefined by `''`: none, ready as soon as it runs. */
  readonly readinessPath?: string
  /** Pods on different nodes where it can be; default true. */
  readonly isSpread?: boolean
  /** Further fields of the container, and of the pod. */
  readonly container?: object
  readonly pod?: object
  readonly strategy?: object
}

/** Pods are labelled `app: NAME` and know their name and namespace. */
export function deployment(options: DeploymentOptions): object {
  const { name, namespace = 'default', replicas = 1, image = 'backend', env = {}, port = 8080 } = options
  const { readinessPath = '/healthz', isSpread = true, container, pod, strategy } = options
  const labels = { app: name }
  const field = (fieldPath: string) => ({ fieldRef: { fieldPath } })
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      ...(strategy === undefined ? {} : { strategy }),
      template: {
        metadata: { labels },
        spec: {
          ...(isSpread ? { topologySpreadConstraints: [spread(labels)] } : {}),
          containers: [
            {
              name: 'main',
              image,
              env: [
                { name: 'POD_NAME', valueFrom: field('metadata.name') },
                { name: 'POD_NAMESPACE', valueFrom: field('metadata.namespace') },
                { name: 'NAMESPACE', valueFrom: field('metadata.namespace') },
                ...Object.entries(env).map(([key, value]) => ({ name: key, value })),
              ],
              ports: [{ name: 'http', containerPort: port }],
              ...(readinessPath === ''
                ? {}
                : {
                    readinessProbe: {
                      httpGet: { path: readinessPath, port },
                      periodSeconds: 1,
                      timeoutSeconds: SLOW_SECONDS,
                    },
                  }),
              ...container,
            },
          ],
          ...pod,
        },
      },
    },
  }
}

export interface ServiceOptions {
  readonly name: string
  readonly namespace?: string
  /** Default: `app: NAME`. */
  readonly selector?: Readonly<Record<string, string>>
  /** Default: `http` on 80, to the port of that name. */
  readonly ports?: readonly object[]
  /** Further fields of the spec: `type`, `ipFamilyPolicy`. */
  readonly spec?: object
}

export function service(options: ServiceOptions): object {
  const { name, namespace = 'default', selector = { app: name }, spec } = options
  const { ports = [{ name: 'http', port: 80, targetPort: 'http' }] } = options
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector, ports, ...spec },
  }
}

function spread(matchLabels: Readonly<Record<string, string>>): object {
  return {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels },
  }
}
