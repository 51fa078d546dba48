/** Backends of the conformance suites (echo-basic): they answer with the request as they saw it, and with who they are. */
import { deployment, service } from './workloads.ts'

/** Of the Service, where it is named `http`. */
export const ECHO_PORT = 8080
/** Of the program. */
const PROGRAM_PORT = 3000

export interface Echo {
  readonly path: string
  readonly host: string
  readonly method: string
  readonly proto: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly namespace: string
  readonly service: string
  readonly pod: string
}

/** Deployment and Service of that name. */
export function echo(namespace: string, name: string, replicas = 1): readonly object[] {
  return [
    deployment({
      name,
      namespace,
      replicas,
      image: 'echo',
      port: PROGRAM_PORT,
      env: { SERVICE_NAME: name },
      readinessPath: '/',
      pod: { terminationGracePeriodSeconds: 1 },
    }),
    service({ name, namespace, ports: [{ name: 'http', port: ECHO_PORT, targetPort: 'http' }] }),
  ]
}

/** Of an answer's body. */
export function echoOf(body: string): Echo {
  return JSON.parse(body) as Echo
}
