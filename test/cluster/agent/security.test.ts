import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigProblem, type ContainerSecurity, type PodSecurity } from './pod.ts'
import { testPod } from './pod.fixture.ts'
import { identityOf, setprivWords } from './security.ts'

const IMAGE = { entrypoint: ['/run'], files: {} }

function words(own: ContainerSecurity, shared: PodSecurity = {}, user?: number): string {
  const image = user === undefined ? IMAGE : { ...IMAGE, user }
  const identity = identityOf(
    testPod({ securityContext: shared }),
    { name: 'main', image: 'x', securityContext: own },
    image,
  )
  return setprivWords(identity).slice(1).join(' ')
}

const DROPPED = '--bounding-set=-all --inh-caps=-all --ambient-caps=-all'
const BIND = '+net_bind_service'

const CASES: readonly (readonly [string, string, string])[] = [
  [
    'root has the usual capabilities',
    words({ capabilities: { drop: ['NET_RAW'] } }),
    '--reuid=0 --regid=0 --clear-groups --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+mknod,+net_bind_service,+setfcap,+setgid,+setpcap,+setuid,+sys_chroot --inh-caps=-all --ambient-caps=-all',
  ],
  [
    'the image has a user',
    words({ capabilities: { drop: ['ALL'] } }, {}, 65532),
    `--reuid=65532 --regid=0 --clear-groups ${DROPPED}`,
  ],
  [
    'the pod says the user',
    words({ capabilities: { drop: ['ALL'] } }, { runAsUser: 1000, runAsGroup: 2000 }, 1),
    `--reuid=1000 --regid=2000 --clear-groups ${DROPPED}`,
  ],
  [
    'the container says it over the pod',
    words({ runAsUser: 7, capabilities: { drop: ['ALL'] } }, { runAsUser: 1000, runAsNonRoot: true }),
    `--reuid=7 --regid=0 --clear-groups ${DROPPED}`,
  ],
  [
    'groups of files and others',
    words(
      { capabilities: { drop: ['ALL'] } },
      { runAsUser: 1, runAsGroup: 5, fsGroup: 6, supplementalGroups: [7, 5, 6] },
    ),
    `--reuid=1 --regid=5 --groups=7,6 ${DROPPED}`,
  ],
  [
    'low ports without root',
    words(
      { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] }, allowPrivilegeEscalation: false },
      { runAsUser: 1 },
    ),
    `--reuid=1 --regid=0 --clear-groups --bounding-set=-all,${BIND} --inh-caps=-all,${BIND} --ambient-caps=-all,${BIND} --no-new-privs`,
  ],
  ['privileged', words({ privileged: true }), '--reuid=0 --regid=0 --clear-groups'],
  [
    'everything',
    words({ capabilities: { add: ['ALL'] } }),
    '--reuid=0 --regid=0 --clear-groups --bounding-set=+all --inh-caps=-all --ambient-caps=-all',
  ],
]

for (const [name, actual, expected] of CASES) test(name, () => assert.equal(actual, expected))

test('who must not be root is not started as root', () => {
  assert.throws(() => words({}, { runAsNonRoot: true }), ConfigProblem)
  assert.throws(() => words({ runAsNonRoot: true }, { runAsUser: 0 }), ConfigProblem)
  assert.match(words({ runAsNonRoot: false }, { runAsNonRoot: true }), /reuid=0/)
})
