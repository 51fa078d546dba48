/**
 * What the files of a configMap, secret, downwardAPI or projected volume hold at present. Pure: the data comes from the
 * caller, tokens of the service account too.
 */
import type { ObjectData } from '../env.ts'
import { fieldValue, resourceValue, type Whereabouts } from '../downward.ts'
import {
  ConfigProblem,
  type DownwardFile,
  type KeyToPath,
  type Pod,
  type ProjectedSource,
  type TokenSource,
  type VolumeSpec,
} from '../pod.ts'
import type { Payload, VolumeFile } from './file-volume.ts'

const DEFAULT_MODE = 0o644

export interface PayloadContext {
  readonly pod: Pod
  readonly where: Whereabouts
  readonly data: ObjectData
  /** The present token for a source of the pod. */
  token(source: TokenSource): string
}

/** Undefined: the volume is of another kind. Throws a ConfigProblem where something is missing that is not optional. */
export function volumePayload(volume: VolumeSpec, context: PayloadContext): Payload | undefined {
  const { configMap, secret, downwardAPI, projected } = volume
  const files = new Map<string, VolumeFile>()
  if (configMap !== undefined) add(files, { configMap }, configMap.defaultMode, context)
  else if (secret !== undefined) {
    const { secretName, ...rest } = secret
    add(files, { secret: { ...rest, name: secretName ?? '' } }, secret.defaultMode, context)
  } else if (downwardAPI !== undefined) add(files, { downwardAPI }, downwardAPI.defaultMode, context)
  else if (projected !== undefined) {
    for (const source of projected.sources ?? []) add(files, source, projected.defaultMode, context)
  } else return undefined
  return files
}

/** Sources of the pod's service account tokens. */
export function tokenSources(pod: Pod): readonly TokenSource[] {
  return (pod.spec.volumes ?? []).flatMap(
    ({ projected }) =>
      projected?.sources?.flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []) ?? [],
  )
}

function add(
  files: Map<string, VolumeFile>,
  source: ProjectedSource,
  mode: number = DEFAULT_MODE,
  context: PayloadContext,
): void {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source
  const { data } = context
  if (configMap !== undefined)
    addKeys(files, 'configmap', data.configMap(configMap.name ?? ''), configMap, mode)
  else if (secret !== undefined) addKeys(files, 'secret', data.secret(secret.name ?? ''), secret, mode)
  else if (downwardAPI !== undefined) {
    for (const item of downwardAPI.items ?? [])
      files.set(item.path, { data: Buffer.from(downwardText(item, context)), mode: item.mode ?? mode })
  } else if (serviceAccountToken !== undefined)
    files.set(serviceAccountToken.path, { data: Buffer.from(context.token(serviceAccountToken)), mode })
  else throw new ConfigProblem(`projected source ${Object.keys(source).join(', ')} is not supported`)
}

interface KeySource {
  readonly name?: string
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
}

function addKeys(
  files: Map<string, VolumeFile>,
  kind: string,
  values: ReadonlyMap<string, Buffer> | undefined,
  { name, items, optional }: KeySource,
  mode: number,
): void {
  if (values === undefined) {
    if (optional === true) return
    throw new ConfigProblem(`${kind} "${name}" not found`)
  }
  if (items === undefined || items.length === 0) {
    for (const [key, data] of values) files.set(key, { data, mode })
    return
  }
  for (const item of items) {
    const data = values.get(item.key)
    if (data !== undefined) files.set(item.path, { data, mode: item.mode ?? mode })
    else if (optional !== true) throw new ConfigProblem(`${kind} "${name}" has no key ${item.key}`)
  }
}

function downwardText(item: DownwardFile, { pod, where }: PayloadContext): string {
  if (item.fieldRef !== undefined) return fieldValue(pod, item.fieldRef.fieldPath, where)
  const ref = item.resourceFieldRef
  if (ref === undefined) throw new ConfigProblem(`downwardAPI file ${item.path} names no field`)
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
  const container = all.find(({ name }) => name === ref.containerName)
  if (container === undefined)
    throw new ConfigProblem(`downwardAPI file ${item.path}: no container ${ref.containerName}`)
  return resourceValue(container, ref, where)
}
