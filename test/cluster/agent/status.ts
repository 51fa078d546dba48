/**
 * The status of a pod from what its containers do (core/v1 PodStatus; the kubelet's rules for phase and conditions).
 * Pure: the worker asks for it when something changed and writes it when it differs.
 */
import type { Condition, ContainerState, ContainerStatus, Phase, Pod, PodStatus } from './pod.ts'
import { isSidecar } from './pod.ts'

export interface StatusInput {
  readonly pod: Pod
  /** In the order of the specification. */
  readonly initContainers: readonly ContainerStatus[]
  readonly containers: readonly ContainerStatus[]
  /** IPv4 first; none before the network is there. */
  readonly podAddresses: readonly string[]
  readonly nodeAddresses: readonly string[]
  /** RFC 3339. */
  readonly startTime: string
  /** The pod was given up, whatever its containers do. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined
  /** Conditions as they were last, for the times of their transitions. */
  readonly before: readonly Condition[]
  readonly now: string
}

export function podStatus(input: StatusInput): PodStatus {
  const { pod, podAddresses, nodeAddresses, failure } = input
  const phase = failure === undefined ? podPhase(input) : 'Failed'
  const { generation } = pod.metadata
  return {
    phase,
    ...failure,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(nodeAddresses.length === 0 ? {} : { hostIP: nodeAddresses[0]! }),
    hostIPs: nodeAddresses.map((ip) => ({ ip })),
    ...(podAddresses.length === 0 ? {} : { podIP: podAddresses[0]! }),
    ...(podAddresses.length === 0 ? {} : { podIPs: podAddresses.map((ip) => ({ ip })) }),
    startTime: input.startTime,
    conditions: podConditions(input, phase),
    ...(input.initContainers.length === 0 ? {} : { initContainerStatuses: input.initContainers }),
    containerStatuses: input.containers,
  }
}

function podPhase({ pod, initContainers, containers }: StatusInput): Phase {
  if (containers.length === 0) return 'Pending'
  const policy = pod.spec.restartPolicy ?? 'Always'
  const specs = pod.spec.initContainers ?? []
  for (const [index, status] of initContainers.entries()) {
    const spec = specs[index]!
    if (isInitialized(status, isSidecar(spec))) continue
    const end = endOf(status)
    return end !== undefined && end.exitCode !== 0 && policy === 'Never' && !isSidecar(spec)
      ? 'Failed'
      : 'Pending'
  }
  let running = 0
  let waiting = 0
  let failed = 0
  for (const status of containers) {
    if ('running' in status.state) running++
    else if (endOf(status) === undefined) waiting++
    else if (endOf(status)!.exitCode !== 0) failed++
  }
  if (waiting > 0) return 'Pending'
  if (running > 0 || policy === 'Always') return 'Running'
  if (failed === 0) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

/** How it ended last, if it does not run now. */
function endOf(status: ContainerStatus): { readonly exitCode: number } | undefined {
  if ('terminated' in status.state) return status.state.terminated
  return 'waiting' in status.state ? status.lastState.terminated : undefined
}

function isInitialized(status: ContainerStatus, isSidecar: boolean): boolean {
  if (isSidecar) return status.started
  return 'terminated' in status.state && status.state.terminated.exitCode === 0
}

function podConditions(input: StatusInput, phase: Phase): readonly Condition[] {
  const { pod, initContainers, containers, podAddresses } = input
  const specs = pod.spec.initContainers ?? []
  const isOver = phase === 'Succeeded' || phase === 'Failed'
  const uninitialized = initContainers.filter(
    (status, index) => !isInitialized(status, isSidecar(specs[index]!)),
  )
  const sidecars = initContainers.filter((_status, index) => isSidecar(specs[index]!))
  const unready = [...sidecars, ...containers].filter(({ ready }) => !ready)
  const ended = phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : undefined
  // Before the network is there, no container is known.
  const areKnown = containers.length === pod.spec.containers.length
  const containersReady = verdict(
    'ContainersReady',
    areKnown && unready.length === 0 && !isOver,
    ended ?? 'ContainersNotReady',
    isOver ? '' : `containers with unready status: [${namesOf(unready)}]`,
  )
  const closedGate = (pod.spec.readinessGates ?? []).find(({ conditionType }) => {
    const gate = pod.status?.conditions?.find(({ type }) => type === conditionType)
    return gate?.status !== 'True'
  })
  const ready =
    containersReady.status === 'True' && closedGate !== undefined
      ? verdict(
          'Ready',
          false,
          'ReadinessGatesNotReady',
          `readiness gate "${closedGate.conditionType}" is not True`,
        )
      : { ...containersReady, type: 'Ready' }
  const conditions = [
    verdict('PodReadyToStartContainers', podAddresses.length > 0 && !isOver, '', ''),
    verdict(
      'Initialized',
      (uninitialized.length === 0 && initContainers.length === specs.length) || phase === 'Succeeded',
      'ContainersNotInitialized',
      `containers with incomplete status: [${namesOf(uninitialized)}]`,
    ),
    ready,
    containersReady,
    verdict('PodScheduled', true, '', ''),
  ]
  const { generation } = pod.metadata
  return conditions.map((condition) => {
    const before = input.before.find(({ type }) => type === condition.type)
    const isSame = before?.status === condition.status && before.lastTransitionTime !== undefined
    return {
      ...condition,
      lastTransitionTime: isSame ? before.lastTransitionTime : input.now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    }
  })
}

function verdict(type: string, isTrue: boolean, reason: string, message: string): Condition {
  if (isTrue) return { type, status: 'True' }
  return {
    type,
    status: 'False',
    ...(reason === '' ? {} : { reason }),
    ...(message === '' ? {} : { message }),
  }
}

function namesOf(statuses: readonly ContainerStatus[]): string {
  return statuses.map(({ name }) => name).join(' ')
}

export function waiting(reason: string, message = ''): ContainerState {
  return { waiting: message === '' ? { reason } : { reason, message } }
}
