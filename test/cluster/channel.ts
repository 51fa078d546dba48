/**
 * What the test's process (cluster.ts) and the cluster's host process (host.ts) say to each other, over the channel that
 * Node gives a child. When the channel closes, each side ends the cluster.
 */
import type { AddressPlan } from './address-plan.ts'
import type { ControlPlaneProgram } from './control-plane.ts'
import type { ImageTable } from './images.ts'

export interface NodeSpec {
  readonly name: string
  /** Value of topology.kubernetes.io/zone. */
  readonly zone: string
}

export interface HostOptions {
  readonly number: AddressPlan['number']
  readonly nodes: readonly NodeSpec[]
  readonly bin: string
  readonly images: ImageTable
  readonly apiServerFlags: readonly string[]
  /** With an audit log of what service accounts ask for (audit.ts). */
  readonly isAudited: boolean
}

/** What a started cluster is. Paths are those in its own mount namespace. */
export interface HostFacts {
  readonly kubeconfig: string
  readonly logs: string
  /** Milliseconds from the start of the host until each step was done. */
  readonly steps: Readonly<Record<string, number>>
}

/** Requests to the host, by method. */
export interface HostMethods {
  start(options: HostOptions): Promise<HostFacts>
  startProgram(program: ControlPlaneProgram): Promise<void>
  stopProgram(program: ControlPlaneProgram, signal: NodeJS.Signals): Promise<void>
  pauseProgram(program: ControlPlaneProgram): Promise<void>
  resumeProgram(program: ControlPlaneProgram): Promise<void>
  /** Resolves when the API server is ready. */
  apiReady(): Promise<void>
  compactStore(): Promise<void>
  /** Resets every connection to the API server; answers how many. */
  cutApiConnections(): Promise<number>
  signalContainer(where: ContainerPlace, signal: NodeJS.Signals): Promise<void>
}

export interface ContainerPlace {
  readonly node: string
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

export type HostMethod = keyof HostMethods

export interface HostRequest {
  readonly id: number
  readonly method: HostMethod
  readonly args: readonly unknown[]
}

export type HostMessage =
  /** It runs, with namespaces of its own, and waits for `start`. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly message: string }
  /** A program of the cluster ended by itself. */
  | { readonly kind: 'failure'; readonly message: string }
