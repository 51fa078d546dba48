/**
 * Parameters of IngressClasses (KEP-2365): a ConfigMap whose keys are names of annotations without their prefix, as the
 * keys of ingress-nginx's own ConfigMap are, and whose values count for every Ingress of the class that does not say
 * otherwise. Parameters that cannot be used close the class: they may hold a restriction. Used by `class.ts`.
 */
import { readClassDefaults, type ClassDefaults } from './annotations/class-defaults.ts'
import { Report, type FindingBook } from './findings.ts'
import type { ConfigMapObject, IngressClassObject, ObjectPath, SourcedObject } from './objects.ts'

export interface Parameters {
  readonly defaults: ClassDefaults | undefined
  /** Why the Ingresses of the class answer 503. */
  readonly closed: string | undefined
}

export const NO_PARAMETERS: Parameters = { defaults: undefined, closed: undefined }

interface ClassEntry {
  readonly sourced: SourcedObject
  /** `namespace/name` of the ConfigMap; undefined: the reference is to none. */
  readonly configMap: string | undefined
  parameters: Parameters
}

export class ClassParameters {
  readonly #book: FindingBook
  /** Classes that are served and have parameters, by name. */
  readonly #classes = new Map<string, ClassEntry>()
  /** Every ConfigMap, by `namespace/name`. */
  readonly #configMaps = new Map<string, SourcedObject>()
  readonly #defaults = new Map<string, ClassDefaults>()

  constructor(book: FindingBook) {
    this.#book = book
  }

  get(name: string): Parameters {
    return this.#classes.get(name)?.parameters ?? NO_PARAMETERS
  }

  setClass(sourced: SourcedObject, isServed: boolean): void {
    const { metadata, spec } = sourced.object as IngressClassObject
    const before = this.#classes.get(metadata.name)
    if (!isServed || spec?.parameters === undefined) {
      this.removeClass(metadata.name)
      return
    }
    const { apiGroup = '', kind, name = '', namespace = '' } = spec.parameters
    const isConfigMap = apiGroup === '' && kind === 'ConfigMap' && name !== '' && namespace !== ''
    const entry: ClassEntry = {
      sourced,
      configMap: isConfigMap ? `${namespace}/${name}` : undefined,
      parameters: before?.parameters ?? NO_PARAMETERS,
    }
    this.#classes.set(metadata.name, entry)
    this.#forget(before?.configMap)
    this.#resolve(metadata.name, entry)
  }

  removeClass(name: string): void {
    const entry = this.#classes.get(name)
    if (entry === undefined) return
    this.#classes.delete(name)
    this.#forget(entry.configMap)
    this.#book.remove(`class:${name}`)
  }

  setConfigMap(sourced: SourcedObject): boolean {
    const { namespace = 'default', name } = sourced.object.metadata
    const key = `${namespace}/${name}`
    this.#configMaps.set(key, sourced)
    this.#defaults.delete(key)
    return this.#resolveUsers(key)
  }

  /** `key`: `namespace/name`. */
  removeConfigMap(key: string): boolean {
    this.#configMaps.delete(key)
    this.#defaults.delete(key)
    this.#book.remove(`class-defaults:${key}`)
    return this.#resolveUsers(key)
  }

  #resolveUsers(key: string): boolean {
    let isUsed = false
    for (const [name, entry] of this.#classes) {
      if (entry.configMap !== key) continue
      isUsed = true
      this.#resolve(name, entry)
    }
    return isUsed
  }

  #forget(key: string | undefined): void {
    if (key === undefined) return
    for (const entry of this.#classes.values()) if (entry.configMap === key) return
    this.#defaults.delete(key)
    this.#book.remove(`class-defaults:${key}`)
  }

  #resolve(name: string, entry: ClassEntry): void {
    const report = new Report()
    entry.parameters = this.#read(name, entry, report)
    this.#book.set(`class:${name}`, report.drafts)
  }

  #read(name: string, { sourced, configMap }: ClassEntry, report: Report): Parameters {
    if (configMap === undefined) return unusable(sourced, report)
    const object = this.#configMaps.get(configMap)
    if (object === undefined) {
      const message = `ConfigMap ${configMap}, which the parameters name, does not exist; Ingresses of the class answer 503`
      const hint = 'create it (it may be empty), or take the parameters out of the class'
      report.add('ingress-class-parameters', 'error', sourced, ['spec', 'parameters', 'name'], message, hint)
      return {
        defaults: undefined,
        closed: `ConfigMap ${configMap}, the parameters of its class ${name}, does not exist`,
      }
    }
    const defaults = this.#defaultsOf(configMap, object)
    return { defaults, closed: defaults.closed }
  }

  /** Several classes may name one ConfigMap; what is wrong with it is told once. */
  #defaultsOf(key: string, sourced: SourcedObject): ClassDefaults {
    let defaults = this.#defaults.get(key)
    if (defaults !== undefined) return defaults
    const report = new Report()
    const { data } = sourced.object as ConfigMapObject
    defaults = readClassDefaults(data ?? {}, (severity, name, message) => {
      const path = ['data', name]
      report.add('ingress-class-default', severity, sourced, path, `key ${name}: ${message}`)
    })
    this.#defaults.set(key, defaults)
    this.#book.set(`class-defaults:${key}`, report.drafts)
    return defaults
  }
}

/** The reference is to something else than a ConfigMap in a namespace. */
function unusable(sourced: SourcedObject, report: Report): Parameters {
  const { metadata, spec } = sourced.object as IngressClassObject
  const { apiGroup = '', kind = '', namespace = '' } = spec?.parameters ?? {}
  const isConfigMap = apiGroup === '' && kind === 'ConfigMap'
  const what = apiGroup === '' ? kind : `${kind}.${apiGroup}`
  const path: ObjectPath = ['spec', 'parameters', ...(isConfigMap ? [] : ['kind'])]
  const problem = !isConfigMap
    ? `parameters of kind ${what} are not known`
    : namespace === ''
      ? 'parameters name a ConfigMap without its namespace'
      : 'parameters name no ConfigMap'
  const message = `${problem}; Ingresses of the class answer 503`
  const hint = 'kind: ConfigMap, with its name, scope: Namespace and its namespace'
  report.add('ingress-class-parameters', 'error', sourced, path, message, hint)
  return { defaults: undefined, closed: `the parameters of its class ${metadata.name} cannot be used` }
}
