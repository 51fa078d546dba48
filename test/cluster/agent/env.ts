/**
 * The environment of a container: the image's, the API server's address, envFrom, env, later ones over earlier ones; and
 * `$(NAME)` in values, commands and arguments (Kubernetes, "Define dependent environment variables"). Pure: the data of
 * ConfigMaps and Secrets comes from the caller.
 */
import type { Image } from '../images.ts'
import { fieldValue, resourceValue, type Whereabouts } from './downward.ts'
import { ConfigProblem, type ContainerSpec, type EnvEntry, type EnvFrom, type Pod } from './pod.ts'

/** Values by key; undefined when there is no such object. */
export interface ObjectData {
  configMap(name: string): ReadonlyMap<string, Buffer> | undefined
  secret(name: string): ReadonlyMap<string, Buffer> | undefined
}

export interface EnvOptions {
  readonly pod: Pod
  readonly container: ContainerSpec
  readonly image: Image
  readonly where: Whereabouts
  readonly data: ObjectData
  /** KUBERNETES_SERVICE_HOST and _PORT. */
  readonly apiServer: { readonly host: string; readonly port: number }
}

const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Anything printable that is not `=` (KEP-4369). */
const NAME = /^[ -<>-~]+$/

/** In the order of their definition. Throws a ConfigProblem where something is missing that is not optional. */
export function containerEnv(options: EnvOptions): ReadonlyMap<string, string> {
  const { container, image, apiServer } = options
  const host = apiServer.host.includes(':') ? `[${apiServer.host}]` : apiServer.host
  const fixed = new Map<string, string>([
    ['PATH', SEARCH_PATH],
    ...Object.entries(image.env ?? {}),
    ['HOSTNAME', options.pod.spec.hostname ?? options.pod.metadata.name],
    ['KUBERNETES_SERVICE_HOST', apiServer.host],
    ['KUBERNETES_SERVICE_PORT', String(apiServer.port)],
    ['KUBERNETES_SERVICE_PORT_HTTPS', String(apiServer.port)],
    ['KUBERNETES_PORT', `tcp://${host}:${apiServer.port}`],
  ])
  const own = new Map<string, string>()
  for (const from of container.envFrom ?? []) addAll(own, from, options)
  for (const entry of container.env ?? []) {
    const value = entryValue(entry, options, (name) => own.get(name) ?? fixed.get(name))
    if (value !== undefined) own.set(entry.name, value)
  }
  return new Map([...fixed, ...own])
}

function addAll(into: Map<string, string>, from: EnvFrom, { data }: EnvOptions): void {
  const { configMapRef, secretRef, prefix = '' } = from
  const ref = configMapRef ?? secretRef
  if (ref === undefined) return
  const name = ref.name ?? ''
  const values = configMapRef === undefined ? data.secret(name) : data.configMap(name)
  if (values === undefined) {
    if (ref.optional === true) return
    throw missing(configMapRef === undefined ? 'secret' : 'configmap', name)
  }
  for (const [key, value] of values)
    if (NAME.test(prefix + key)) into.set(prefix + key, value.toString('utf8'))
}

function entryValue(
  entry: EnvEntry,
  options: EnvOptions,
  lookUp: (name: string) => string | undefined,
): string | undefined {
  const { pod, container, where, data } = options
  const from = entry.valueFrom
  if (from === undefined) return expand(entry.value ?? '', lookUp)
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, where)
  if (from.resourceFieldRef !== undefined) {
    const { containerName } = from.resourceFieldRef
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
    const other = containerName ? all.find(({ name }) => name === containerName) : container
    if (other === undefined) throw new ConfigProblem(`env ${entry.name}: no container ${containerName}`)
    return resourceValue(other, from.resourceFieldRef, where)
  }
  const ref = from.configMapKeyRef ?? from.secretKeyRef
  if (ref === undefined) throw new ConfigProblem(`env ${entry.name}: this valueFrom is not supported`)
  const kind = from.configMapKeyRef === undefined ? 'secret' : 'configmap'
  const name = ref.name ?? ''
  const values = kind === 'secret' ? data.secret(name) : data.configMap(name)
  const value = values?.get(ref.key)
  if (value !== undefined) return value.toString('utf8')
  if (ref.optional === true) return undefined
  if (values === undefined) throw missing(kind, name)
  throw new ConfigProblem(`couldn't find key ${ref.key} in ${kind} ${name}`)
}

function missing(kind: string, name: string): ConfigProblem {
  return new ConfigProblem(`${kind} "${name}" not found`)
}

/** `$(NAME)` becomes its value, `$$` one dollar; what has no value stays as it is written. */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (lookUp(name) ?? whole),
  )
}

/** Program and arguments: the image's, where the container does not say otherwise. Throws a ConfigProblem when there are none. */
export function commandLine(
  container: ContainerSpec,
  image: Image,
  env: ReadonlyMap<string, string>,
): readonly string[] {
  const { command = [], args = [] } = container
  const defaults = command.length > 0 ? [] : (image.args ?? [])
  const words = [...(command.length > 0 ? command : image.entrypoint), ...(args.length > 0 ? args : defaults)]
  if (words.length === 0) throw new ConfigProblem('no command specified')
  const lookUp = (name: string): string | undefined => env.get(name)
  const isOurs = command.length > 0
  return words.map((word, index) =>
    isOurs || index >= image.entrypoint.length ? expand(word, lookUp) : word,
  )
}
