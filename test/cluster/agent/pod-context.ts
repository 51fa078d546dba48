/** What the containers of a pod are given by their worker (pod-worker.ts). */
import type { PodNetwork } from '../node-host.ts'
import type { Whereabouts } from './downward.ts'
import type { NodeContext } from './node-context.ts'
import type { Pod } from './pod.ts'
import type { PodVolumes } from './volumes/pod-volumes.ts'

export interface PodContext {
  readonly node: NodeContext
  /** As it is known now. */
  pod(): Pod
  /** On this machine, of this pod alone. */
  readonly directory: string
  readonly network: PodNetwork
  readonly where: Whereabouts
  readonly volumes: PodVolumes
  readonly hostname: string
  /** Text of /etc/hosts. */
  readonly hosts: string
  readonly resolvConf: string
  /** The state of a container changed. */
  onChange(): void
  event(type: 'Normal' | 'Warning', reason: string, note: string): void
}
