/**
 * The volumes of one pod on this machine: made before its first container starts, followed while it runs (files of
 * ConfigMaps, Secrets, the pod's own fields and tokens), removed with the pod.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asKubeError } from '#kube/errors.ts'
import type { NodeContext } from '../node-context.ts'
import type { Whereabouts } from '../downward.ts'
import { expand } from '../env.ts'
import { ConfigProblem, type ContainerSpec, type Pod, type VolumeMount, type VolumeSpec } from '../pod.ts'
import type { Mount } from '../root-directory.ts'
import { FileVolume } from './file-volume.ts'
import { volumePayload } from './payload.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'

const KINDS = 'emptyDir, hostPath, configMap, secret, downwardAPI and projected'

export class PodVolumes {
  readonly #node: NodeContext
  readonly #pod: () => Pod
  readonly #directory: string
  readonly #where: Whereabouts
  readonly #onProblem: (problem: string) => void
  readonly #tokens: ServiceAccountTokens
  readonly #files = new Map<string, FileVolume>()
  /** Paths on this machine, by name of the volume. */
  readonly #paths = new Map<string, string>()
  #unsubscribe: () => void = () => {}

  /** `onProblem` hears what keeps a volume that is mounted from being brought up to date. */
  constructor(
    node: NodeContext,
    pod: () => Pod,
    directory: string,
    where: Whereabouts,
    onProblem: (problem: string) => void,
  ) {
    this.#node = node
    this.#pod = pod
    this.#directory = directory
    this.#where = where
    this.#onProblem = onProblem
    this.#tokens = new ServiceAccountTokens(node.client, pod(), () => this.update())
  }

  /** Makes all of them; to be called again after it failed. Throws a ConfigProblem. */
  async mount(): Promise<void> {
    try {
      await this.#tokens.fetchAll()
    } catch (error) {
      throw new ConfigProblem(`service account token: ${asKubeError(error, 'token').message}`)
    }
    for (const volume of this.#pod().spec.volumes ?? []) this.#paths.set(volume.name, this.#make(volume))
    const { namespace } = this.#pod().metadata
    this.#unsubscribe()
    this.#unsubscribe = this.#node.objects.onChange((changed) => {
      if (changed === namespace) this.update()
    })
  }

  /** What the files are made of may have changed. */
  update(): void {
    for (const volume of this.#pod().spec.volumes ?? []) {
      if (!this.#files.has(volume.name)) continue
      try {
        this.#writeFiles(volume)
      } catch (error) {
        this.#onProblem(`volume "${volume.name}": ${(error as Error).message}`)
      }
    }
  }

  stop(): void {
    this.#unsubscribe()
    this.#tokens.stop()
  }

  /** What a container mounts, with `$(NAME)` of sub-paths replaced. Throws a ConfigProblem. */
  mountsOf(container: ContainerSpec, env: ReadonlyMap<string, string>): readonly Mount[] {
    return (container.volumeMounts ?? []).map((mount) => {
      const path = this.#paths.get(mount.name)
      if (path === undefined) throw new ConfigProblem(`volumeMount ${mount.name}: there is no such volume`)
      const source = subPath(path, mount, env)
      // Files that are swapped as a whole are not written through the mount.
      const isReadOnly = mount.readOnly === true || this.#files.has(mount.name)
      return { target: mount.mountPath, source, isReadOnly, isOurs: true }
    })
  }

  #make(volume: VolumeSpec): string {
    const { hostPath, emptyDir } = volume
    if (hostPath !== undefined) return hostDirectory(hostPath.path, hostPath.type ?? '')
    const path = join(this.#directory, volume.name)
    if (emptyDir !== undefined) {
      mkdirSync(path, { recursive: true })
      const group = this.#pod().spec.securityContext?.fsGroup
      if (group !== undefined) chownSync(path, 0, group)
      chmodSync(path, group === undefined ? 0o777 : 0o2777)
      return path
    }
    this.#writeFiles(volume)
    return path
  }

  #writeFiles(volume: VolumeSpec): void {
    const pod = this.#pod()
    const payload = volumePayload(volume, {
      pod,
      where: this.#where,
      data: this.#node.objects.of(pod.metadata.namespace),
      token: (source) => this.#tokens.token(source),
    })
    if (payload === undefined) {
      const kind = Object.keys(volume).find((field) => field !== 'name') ?? 'of no kind'
      throw new ConfigProblem(`volume "${volume.name}": ${kind} is not supported by this node, only ${KINDS}`)
    }
    let files = this.#files.get(volume.name)
    if (files === undefined) {
      files = new FileVolume(join(this.#directory, volume.name), pod.spec.securityContext?.fsGroup)
      this.#files.set(volume.name, files)
    }
    files.write(payload)
  }
}

function hostDirectory(path: string, type: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true })
    else if (type === 'FileOrCreate') writeFileSync(path, '')
    else throw new ConfigProblem(`hostPath ${path} does not exist`)
    return path
  }
  const isRight =
    type === '' ||
    (type.startsWith('Directory') && stats.isDirectory()) ||
    (type.startsWith('File') && stats.isFile()) ||
    (type === 'Socket' && stats.isSocket()) ||
    (type === 'CharDevice' && stats.isCharacterDevice()) ||
    (type === 'BlockDevice' && stats.isBlockDevice())
  if (!isRight) throw new ConfigProblem(`hostPath ${path} is not of type ${type}`)
  return path
}

function subPath(path: string, mount: VolumeMount, env: ReadonlyMap<string, string>): string {
  const below =
    mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, (name) => env.get(name))
  if (below === undefined || below === '') return path
  if (below.startsWith('/') || below.split('/').includes('..'))
    throw new ConfigProblem(`volumeMount ${mount.name}: sub-path ${below} leads out of the volume`)
  const full = join(path, below)
  if (!existsSync(full)) {
    mkdirSync(dirname(full), { recursive: true })
    mkdirSync(full, { mode: 0o777 })
  }
  return full
}
