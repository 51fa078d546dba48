/**
 * Which Ingresses are served, which of them get nginx's habits, and with what defaults. The class of an Ingress is its
 * annotation `kubernetes.io/ingress.class`, else `spec.ingressClassName`. Of a directory every class is served unless
 * one is named, and an Ingress without one has the class marked as default, as the API server would have filled it in;
 * in a cluster it has done so, and what counts is which controller a class belongs to. Called by the translator.
 */
import type { ClassDefaults } from './annotations/class-defaults.ts'
import { ClassParameters, NO_PARAMETERS } from './class-parameters.ts'
import type { FindingBook } from './findings.ts'
import { createdAt } from './names.ts'
import type { IngressClassObject, IngressObject, SourcedObject } from './objects.ts'

export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class'
const NGINX_CONTROLLER = 'k8s.io/ingress-nginx'

/** Which classes are served. */
export type ClassPolicy = DirectoryClasses | ClusterClasses

export interface DirectoryClasses {
  readonly kind: 'directory'
  /** The one that is served; undefined: every class. */
  readonly only?: string
}

export interface ClusterClasses {
  readonly kind: 'cluster'
  /** `spec.controller` of the classes that are served. */
  readonly controller: string
  /** The one class that is served, whoever controls it, whether or not there is an IngressClass of that name. */
  readonly only?: string
  /** Ingresses without a class are served, too. */
  readonly isClasslessServed: boolean
}

/** Whether the Ingresses that name the class are served. */
export function servesClass(policy: ClassPolicy, ingressClass: IngressClassObject): boolean {
  if (policy.only !== undefined) return ingressClass.metadata.name === policy.only
  return policy.kind === 'directory' || ingressClass.spec?.controller === policy.controller
}

export interface ClassChoice {
  /** Empty: the Ingress names none and no IngressClass is the default. */
  readonly name: string
  readonly isServed: boolean
  /** Path, redirect and limit habits of ingress-nginx apply. */
  readonly isNginx: boolean
  /** From the parameters of the class. */
  readonly defaults: ClassDefaults | undefined
  /** Why all Ingresses of the class answer 503. */
  readonly closed: string | undefined
}

export class IngressClasses {
  readonly #policy: ClassPolicy
  readonly #isCompat: boolean
  readonly #classes = new Map<string, IngressClassObject>()
  readonly #choices = new Map<string, ClassChoice>()
  readonly #parameters: ClassParameters
  #default = ''

  /** `isCompat`: every Ingress gets nginx's habits. */
  constructor(policy: ClassPolicy, isCompat: boolean, book: FindingBook) {
    this.#policy = policy
    this.#isCompat = isCompat
    this.#parameters = new ClassParameters(book)
  }

  set(sourced: SourcedObject): void {
    const object = sourced.object as IngressClassObject
    this.#classes.set(object.metadata.name, object)
    this.#parameters.setClass(sourced, servesClass(this.#policy, object))
    this.#findDefault()
  }

  remove(name: string): void {
    this.#parameters.removeClass(name)
    if (this.#classes.delete(name)) this.#findDefault()
  }

  /** True: Ingresses may have other defaults now. */
  setConfigMap(sourced: SourcedObject): boolean {
    return this.#parameters.setConfigMap(sourced)
  }

  /** True: Ingresses may have other defaults now. */
  removeConfigMap(key: string): boolean {
    return this.#parameters.removeConfigMap(key)
  }

  choose(ingress: IngressObject): ClassChoice {
    const named = namedClass(ingress)
    const isDirectory = this.#policy.kind === 'directory'
    const name = named === '' && isDirectory ? this.#default : named
    const object = this.#classes.get(name)
    const isServed = isDirectory ? this.#isServedInDirectory(named) : this.#isServedInCluster(name, object)
    const isNginx = this.#isCompat || name === 'nginx' || object?.spec?.controller === NGINX_CONTROLLER
    return this.#share(name, isServed, isNginx)
  }

  /** There are few different choices, and one is kept per Ingress. */
  #share(name: string, isServed: boolean, isNginx: boolean): ClassChoice {
    const { defaults, closed } = isServed ? this.#parameters.get(name) : NO_PARAMETERS
    const choice = { name, isServed, isNginx, defaults, closed }
    const known = this.#choices.get(name)
    if (known !== undefined && isSameChoice(known, choice)) return known
    this.#choices.set(name, choice)
    return choice
  }

  #isServedInDirectory(named: string): boolean {
    const { only } = this.#policy
    if (only === undefined) return true
    if (named !== '') return named === only
    return isDefault(this.#classes.get(only))
  }

  #isServedInCluster(name: string, object: IngressClassObject | undefined): boolean {
    const policy = this.#policy as ClusterClasses
    if (name === '') return policy.isClasslessServed
    return policy.only === undefined
      ? object !== undefined && servesClass(policy, object)
      : name === policy.only
  }

  /** Of several defaults the newest, as the API server chooses. */
  #findDefault(): void {
    let best: IngressClassObject | undefined
    for (const one of this.#classes.values()) {
      if (!isDefault(one)) continue
      // With one class to serve, an Ingress without a class is served as that class or not at all.
      if (one.metadata.name === this.#policy.only) {
        best = one
        break
      }
      if (best === undefined || isNewer(one, best)) best = one
    }
    this.#default = best?.metadata.name ?? ''
  }
}

export function isSameChoice(a: ClassChoice, b: ClassChoice): boolean {
  return (
    a.isServed === b.isServed &&
    a.isNginx === b.isNginx &&
    a.name === b.name &&
    a.defaults === b.defaults &&
    a.closed === b.closed
  )
}

/** The class that the Ingress itself names; empty: none. */
export function namedClass(ingress: IngressObject): string {
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION]
  if (annotation !== undefined && annotation !== '') return annotation
  return ingress.spec?.ingressClassName ?? ''
}

function isDefault(object: IngressClassObject | undefined): boolean {
  return object?.metadata.annotations?.[DEFAULT_ANNOTATION] === 'true'
}

function isNewer(a: IngressClassObject, b: IngressClassObject): boolean {
  const difference = createdAt(a.metadata) - createdAt(b.metadata)
  return difference === 0 ? a.metadata.name < b.metadata.name : difference > 0
}
