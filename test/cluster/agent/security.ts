/**
 * As whom a container runs: user, groups, capabilities, from the security contexts of pod and container and from the
 * image, and the `setpriv` command that makes it so. Pure.
 *
 * A program of a user other than root has the capabilities that its container adds, as ambient ones. Container runtimes
 * put them into the bounding set only, and the image's program file carries them; files that are bind-mounted from
 * this machine cannot.
 */
import type { Image } from '../images.ts'
import { ConfigProblem, type ContainerSpec, type Pod } from './pod.ts'

export interface Identity {
  readonly uid: number
  readonly gid: number
  /** Supplementary. */
  readonly groups: readonly number[]
  readonly isPrivileged: boolean
  /** Lower case, without `cap_`. What root has, and what others could get. */
  readonly bounding: readonly string[]
  /** What a user other than root has. */
  readonly ambient: readonly string[]
  readonly noNewPrivileges: boolean
  readonly isReadOnlyRoot: boolean
}

/** What the container runtimes give by default. */
const DEFAULT_CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'mknod',
  'net_bind_service',
  'net_raw',
  'setfcap',
  'setgid',
  'setpcap',
  'setuid',
  'sys_chroot',
]

/** Throws a ConfigProblem where the container must not run as root and would. */
export function identityOf(pod: Pod, container: ContainerSpec, image: Image): Identity {
  const own = container.securityContext
  const shared = pod.spec.securityContext
  const uid = own?.runAsUser ?? shared?.runAsUser ?? image.user ?? 0
  const gid = own?.runAsGroup ?? shared?.runAsGroup ?? image.group ?? 0
  if (uid === 0 && (own?.runAsNonRoot ?? shared?.runAsNonRoot) === true)
    throw new ConfigProblem('container has runAsNonRoot and image will run as root')
  const groups = [...(shared?.supplementalGroups ?? [])]
  if (shared?.fsGroup !== undefined) groups.push(shared.fsGroup)
  const add = own?.capabilities?.add?.map(plainName) ?? []
  const drop = own?.capabilities?.drop?.map(plainName) ?? []
  const kept = drop.includes('all') ? [] : DEFAULT_CAPABILITIES
  const bounding = new Set(kept.filter((name) => !drop.includes(name)))
  for (const name of add) bounding.add(name)
  return {
    uid,
    gid,
    groups: [...new Set(groups)].filter((group) => group !== gid),
    isPrivileged: own?.privileged === true,
    bounding: bounding.has('all') ? ['all'] : [...bounding].sort(),
    ambient: uid === 0 ? [] : add,
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
    isReadOnlyRoot: own?.readOnlyRootFilesystem === true,
  }
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/^cap_/, '')
}

/** `setpriv` with its options; the program follows. */
export function setprivWords(identity: Identity): readonly string[] {
  const { uid, gid, groups, isPrivileged, noNewPrivileges } = identity
  const words = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`]
  words.push(groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`)
  if (!isPrivileged) {
    words.push(`--bounding-set=${capabilityList(identity.bounding)}`)
    words.push(`--inh-caps=${capabilityList(identity.ambient)}`)
    words.push(`--ambient-caps=${capabilityList(identity.ambient)}`)
  }
  if (noNewPrivileges) words.push('--no-new-privs')
  return words
}

function capabilityList(names: readonly string[]): string {
  return names.includes('all') ? '+all' : ['-all', ...names.map((name) => `+${name}`)].join(',')
}
