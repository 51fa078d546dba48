import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type {
  Condition,
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  Phase,
  RestartPolicy,
} from './pod.ts'
import { testPod } from './pod.fixture.ts'
import { podStatus, waiting, type StatusInput } from './status.ts'

type Short = 'waiting' | 'running' | 'ready' | 'done' | 'failed' | 'crashed'

const ENDED = { reason: 'Error', finishedAt: '2030-01-01T00:00:00Z' }
const STATES: Readonly<Record<Short, ContainerState>> = {
  waiting: waiting('ContainerCreating'),
  running: { running: { startedAt: '2030-01-01T00:00:00Z' } },
  ready: { running: { startedAt: '2030-01-01T00:00:00Z' } },
  done: { terminated: { ...ENDED, exitCode: 0 } },
  failed: { terminated: { ...ENDED, exitCode: 1 } },
  crashed: waiting('CrashLoopBackOff'),
}

function container(short: Short, index: number, kind = 'c'): ContainerStatus {
  return {
    name: `${kind}${index}`,
    image: 'x',
    imageID: 'x',
    ready: short === 'ready' || (kind === 'i' && short === 'done'),
    started: short === 'ready' || short === 'running',
    restartCount: 0,
    state: STATES[short],
    lastState: short === 'crashed' ? { terminated: { ...ENDED, exitCode: 1 } } : {},
  }
}

interface Case {
  readonly policy?: RestartPolicy
  readonly init?: readonly Short[]
  readonly sidecar?: boolean
  readonly containers: readonly Short[]
}

function input(
  { policy = 'Always', init = [], sidecar = false, containers }: Case,
  more: Partial<StatusInput> = {},
): StatusInput {
  const spec = (name: string): ContainerSpec => ({ name, image: 'x' })
  return {
    pod: testPod(
      {
        restartPolicy: policy,
        initContainers: init.map((_, index) => ({
          ...spec(`i${index}`),
          ...(sidecar ? { restartPolicy: 'Always' as const } : {}),
        })),
        containers: containers.map((_, index) => spec(`c${index}`)),
      },
      { generation: 3 },
    ),
    initContainers: init.map((short, index) => container(short, index, 'i')),
    containers: containers.map((short, index) => container(short, index)),
    podAddresses: ['100.64.0.2', 'fd00::2'],
    nodeAddresses: ['198.18.0.10', 'fd00::10'],
    startTime: '2030-01-01T00:00:00Z',
    failure: undefined,
    before: [],
    now: '2030-01-01T00:00:10Z',
    ...more,
  }
}

function conditions(value: StatusInput): Readonly<Record<string, Condition>> {
  return Object.fromEntries((podStatus(value).conditions ?? []).map((each) => [each.type, each]))
}

describe('the phase of a pod', () => {
  const cases: readonly (readonly [string, Case, Phase])[] = [
    ['waiting', { containers: ['waiting'] }, 'Pending'],
    ['one of two running', { containers: ['running', 'waiting'] }, 'Pending'],
    ['running', { containers: ['running'] }, 'Running'],
    ['waiting to run again', { containers: ['crashed'] }, 'Running'],
    ['ended, but to run again', { containers: ['done'] }, 'Running'],
    ['done for good', { policy: 'Never', containers: ['done', 'done'] }, 'Succeeded'],
    ['one of two done', { policy: 'Never', containers: ['done', 'running'] }, 'Running'],
    ['failed for good', { policy: 'Never', containers: ['done', 'failed'] }, 'Failed'],
    ['failed, but to run again', { policy: 'OnFailure', containers: ['failed'] }, 'Running'],
    ['done, on failure', { policy: 'OnFailure', containers: ['done'] }, 'Succeeded'],
    ['initializing', { init: ['running'], containers: ['waiting'] }, 'Pending'],
    ['initialized', { init: ['done'], containers: ['running'] }, 'Running'],
    [
      'failed to initialize for good',
      { policy: 'Never', init: ['failed'], containers: ['waiting'] },
      'Failed',
    ],
    ['failed to initialize', { init: ['failed'], containers: ['waiting'] }, 'Pending'],
    ['sidecar running', { sidecar: true, init: ['running'], containers: ['running'] }, 'Running'],
    [
      'sidecar failed',
      { sidecar: true, policy: 'Never', init: ['failed'], containers: ['waiting'] },
      'Pending',
    ],
  ]
  for (const [name, value, phase] of cases)
    test(name, () => assert.equal(podStatus(input(value)).phase, phase))

  test('given up', () => {
    const failure = { reason: 'DeadlineExceeded', message: 'too long' }
    const status = podStatus(input({ containers: ['running'] }, { failure }))
    assert.deepEqual(
      [status.phase, status.reason, status.message],
      ['Failed', 'DeadlineExceeded', 'too long'],
    )
  })
})

describe('the conditions of a pod', () => {
  test('all true when everything is ready', () => {
    const all = Object.values(conditions(input({ init: ['done'], containers: ['ready', 'ready'] })))
    assert.deepEqual([...new Set(all.map(({ status }) => status))], ['True'])
    assert.deepEqual([...new Set(all.map(({ observedGeneration }) => observedGeneration))], [3])
  })

  test('name the containers that are not ready', () => {
    const { Ready, ContainersReady, Initialized } = conditions(input({ containers: ['ready', 'running'] }))
    assert.deepEqual(
      [Ready?.status, ContainersReady?.status, Initialized?.status],
      ['False', 'False', 'True'],
    )
    assert.equal(Ready?.message, 'containers with unready status: [c1]')
  })

  test('a sidecar that is not ready makes the pod so', () => {
    const { Ready } = conditions(input({ sidecar: true, init: ['running'], containers: ['ready'] }))
    assert.equal(Ready?.message, 'containers with unready status: [i0]')
  })

  test('not true before the containers are known', () => {
    const value = input({ containers: ['ready'] }, { containers: [], podAddresses: [] })
    const { Ready, ContainersReady, PodReadyToStartContainers } = conditions(value)
    assert.deepEqual(
      [Ready, ContainersReady, PodReadyToStartContainers].map((each) => each?.status),
      ['False', 'False', 'False'],
    )
  })

  test('a readiness gate that nobody opened keeps the pod unready', () => {
    const value = input({ containers: ['ready'] })
    const gates = { readinessGates: [{ conditionType: 'example.com/open' }] }
    const closed = { ...value, pod: { ...value.pod, spec: { ...value.pod.spec, ...gates } } }
    const { Ready, ContainersReady } = conditions(closed)
    assert.deepEqual(
      [Ready?.status, Ready?.reason, ContainersReady?.status],
      ['False', 'ReadinessGatesNotReady', 'True'],
    )
    const open = { conditions: [{ type: 'example.com/open', status: 'True' as const }] }
    assert.equal(conditions({ ...closed, pod: { ...closed.pod, status: open } })['Ready']?.status, 'True')
  })

  test('keep the time of their last change', () => {
    const first = podStatus(input({ containers: ['running'] })).conditions ?? []
    const later = input({ containers: ['ready'] }, { before: first, now: '2030-01-01T00:00:20Z' })
    const { Ready, Initialized } = conditions(later)
    assert.deepEqual(
      [Ready?.lastTransitionTime, Initialized?.lastTransitionTime],
      ['2030-01-01T00:00:20Z', '2030-01-01T00:00:10Z'],
    )
  })

  test('of a pod that is done', () => {
    const { Ready, Initialized } = conditions(
      input({ policy: 'Never', init: ['done'], containers: ['done'] }),
    )
    assert.deepEqual([Ready?.status, Ready?.reason, Initialized?.status], ['False', 'PodCompleted', 'True'])
  })
})

test('addresses are told in both families, IPv4 first', () => {
  const status = podStatus(input({ containers: ['ready'] }))
  assert.deepEqual([status.podIP, status.podIPs], ['100.64.0.2', [{ ip: '100.64.0.2' }, { ip: 'fd00::2' }]])
  assert.deepEqual(
    [status.hostIP, status.hostIPs],
    ['198.18.0.10', [{ ip: '198.18.0.10' }, { ip: 'fd00::10' }]],
  )
})
