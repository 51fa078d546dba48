/** Every scenario, in the order in which they run: `small` first, since it finds the rate of the later ones. */
import type { Scenario } from './bench.ts'
import { change } from './change.ts'
import { endpointChange } from './endpoint-change.ts'
import { handshakes } from './handshakes.ts'
import { ingressChurn } from './ingress-churn.ts'
import { ingressPropagation } from './ingress-propagation.ts'
import { kubeSync } from './kube-sync.ts'
import { latency } from './latency.ts'
import { memory, workerMemory } from './memory.ts'
import { routers } from './routers.ts'
import { start } from './start.ts'
import { testBed } from './test-bed.ts'
import { throughputScenarios } from './throughput.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...throughputScenarios,
  handshakes,
  routers,
  latency,
  change,
  memory,
  workerMemory,
  start,
  kubeSync,
  ingressPropagation,
  endpointChange,
  ingressChurn,
  testBed,
]
