/**
 * Pods as far as the node agent reads them (core/v1), and the status it writes. What is not listed here has no effect on
 * this node; what would be wrong to leave out in silence is refused (unsupported.ts).
 */
import type { KubeObject, ObjectMeta } from '#kube/objects.ts'
import type { Resource } from '#kube/resource.ts'

export const PODS: Resource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', isNamespaced: true }

export interface PodMeta extends ObjectMeta {
  readonly namespace: string
  readonly uid: string
  readonly deletionGracePeriodSeconds?: number
}

export interface Pod extends KubeObject {
  readonly metadata: PodMeta
  readonly spec: PodSpec
  readonly status?: PodStatus
}

export interface PodSpec {
  readonly nodeName?: string
  readonly serviceAccountName?: string
  readonly restartPolicy?: RestartPolicy
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly hostIPC?: boolean
  readonly shareProcessNamespace?: boolean
  readonly hostname?: string
  readonly subdomain?: string
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[]
  readonly dnsPolicy?: string
  readonly dnsConfig?: {
    readonly nameservers?: readonly string[]
    readonly searches?: readonly string[]
    readonly options?: readonly { readonly name?: string; readonly value?: string }[]
  }
  readonly terminationGracePeriodSeconds?: number
  readonly activeDeadlineSeconds?: number
  readonly readinessGates?: readonly { readonly conditionType: string }[]
  readonly securityContext?: PodSecurity
  readonly initContainers?: readonly ContainerSpec[]
  readonly containers: readonly ContainerSpec[]
  readonly volumes?: readonly VolumeSpec[]
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

export interface PodSecurity {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly fsGroup?: number
  readonly supplementalGroups?: readonly number[]
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[]
}

export interface ContainerSecurity {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly privileged?: boolean
  readonly readOnlyRootFilesystem?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] }
}

export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
  readonly env?: readonly EnvEntry[]
  readonly envFrom?: readonly EnvFrom[]
  readonly resources?: {
    readonly limits?: Readonly<Record<string, string>>
    readonly requests?: Readonly<Record<string, string>>
  }
  readonly volumeMounts?: readonly VolumeMount[]
  readonly volumeDevices?: readonly unknown[]
  readonly startupProbe?: ProbeSpec
  readonly readinessProbe?: ProbeSpec
  readonly livenessProbe?: ProbeSpec
  readonly lifecycle?: {
    readonly postStart?: Handler
    readonly preStop?: Handler
    readonly stopSignal?: string
  }
  readonly terminationMessagePath?: string
  readonly terminationMessagePolicy?: 'File' | 'FallbackToLogsOnError'
  readonly securityContext?: ContainerSecurity
  /** `Always` on an init container: it stays beside the others (KEP-753). */
  readonly restartPolicy?: RestartPolicy
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
  readonly subPath?: string
  readonly subPathExpr?: string
}

export interface ObjectKey {
  readonly name?: string
  readonly key: string
  readonly optional?: boolean
}

export interface FieldRef {
  readonly fieldPath: string
}

export interface ResourceRef {
  readonly containerName?: string
  readonly resource: string
  readonly divisor?: string
}

export interface EnvEntry {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: FieldRef
    readonly resourceFieldRef?: ResourceRef
    readonly configMapKeyRef?: ObjectKey
    readonly secretKeyRef?: ObjectKey
  }
}

export interface EnvFrom {
  readonly prefix?: string
  readonly configMapRef?: { readonly name?: string; readonly optional?: boolean }
  readonly secretRef?: { readonly name?: string; readonly optional?: boolean }
}

/** What a probe or a hook does; one of them is set. */
export interface Handler {
  readonly exec?: { readonly command?: readonly string[] }
  readonly httpGet?: HttpGet
  readonly tcpSocket?: { readonly host?: string; readonly port: number | string }
  readonly grpc?: { readonly port: number; readonly service?: string }
  readonly sleep?: { readonly seconds: number }
}

export interface HttpGet {
  readonly host?: string
  readonly path?: string
  readonly port: number | string
  readonly scheme?: 'HTTP' | 'HTTPS'
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
}

export interface ProbeSpec extends Handler {
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
  readonly terminationGracePeriodSeconds?: number
}

export interface KeyToPath {
  readonly key: string
  readonly path: string
  readonly mode?: number
}

export interface ConfigMapSource {
  readonly name?: string
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
  readonly defaultMode?: number
}

export interface SecretSource {
  readonly secretName?: string
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
  readonly defaultMode?: number
}

export interface DownwardFile {
  readonly path: string
  readonly fieldRef?: FieldRef
  readonly resourceFieldRef?: ResourceRef
  readonly mode?: number
}

export interface TokenSource {
  readonly audience?: string
  readonly expirationSeconds?: number
  readonly path: string
}

export interface ProjectedSource {
  readonly configMap?: ConfigMapSource
  readonly secret?: Omit<SecretSource, 'secretName'> & { readonly name?: string }
  readonly downwardAPI?: { readonly items?: readonly DownwardFile[] }
  readonly serviceAccountToken?: TokenSource
}

export interface VolumeSpec {
  readonly name: string
  readonly emptyDir?: unknown
  readonly hostPath?: { readonly path: string; readonly type?: string }
  readonly configMap?: ConfigMapSource
  readonly secret?: SecretSource
  readonly downwardAPI?: { readonly items?: readonly DownwardFile[]; readonly defaultMode?: number }
  readonly projected?: { readonly sources?: readonly ProjectedSource[]; readonly defaultMode?: number }
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
  readonly observedGeneration?: number
}

export interface Terminated {
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  readonly startedAt?: string
  readonly finishedAt?: string
  readonly containerID?: string
}

/** Exactly one of the fields. */
export type ContainerState =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | { readonly terminated: Terminated }

export interface ContainerStatus {
  readonly name: string
  readonly image: string
  readonly imageID: string
  readonly containerID?: string
  readonly ready: boolean
  readonly started: boolean
  readonly restartCount: number
  readonly state: ContainerState
  readonly lastState: Partial<{ readonly terminated: Terminated }>
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

export interface PodStatus {
  readonly phase?: Phase
  readonly reason?: string
  readonly message?: string
  readonly observedGeneration?: number
  readonly hostIP?: string
  readonly hostIPs?: readonly { readonly ip: string }[]
  readonly podIP?: string
  readonly podIPs?: readonly { readonly ip: string }[]
  readonly startTime?: string
  readonly conditions?: readonly Condition[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses?: readonly ContainerStatus[]
}

/** A pod whose specification cannot be carried out as it stands; `message` is for people. Mended by changing something else. */
export class ConfigProblem extends Error {}

/** Stays running beside the app containers although it is listed among the init containers. */
export function isSidecar(spec: ContainerSpec): boolean {
  return spec.restartPolicy === 'Always'
}
