/**
 * Which Ingresses are served, and which of them get nginx's habits. The class of an Ingress is its annotation
 * `kubernetes.io/ingress.class`, else `spec.ingressClassName`, else the IngressClass marked as default (what the API
 * server would have filled in). Every class is served unless one is named. Called by the planning of Ingresses.
 */
import { createdAt } from './names.ts'
import type { IngressClassObject, IngressObject } from './objects.ts'

export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class'
const NGINX_CONTROLLER = 'k8s.io/ingress-nginx'

export interface ClassChoice {
  /** Empty: the Ingress names none and no IngressClass is the default. */
  readonly name: string
  readonly isServed: boolean
  /** Path, redirect and limit habits of ingress-nginx apply. */
  readonly isNginx: boolean
}

export class IngressClasses {
  readonly #only: string | undefined
  readonly #isCompat: boolean
  readonly #classes = new Map<string, IngressClassObject>()
  readonly #choices = new Map<string, ClassChoice>()
  #default = ''

  /** `only`: the one class to serve; `isCompat`: every Ingress gets nginx's habits. */
  constructor(only: string | undefined, isCompat: boolean) {
    this.#only = only
    this.#isCompat = isCompat
  }

  set(object: IngressClassObject): void {
    this.#classes.set(object.metadata.name, object)
    this.#findDefault()
  }

  remove(name: string): void {
    if (this.#classes.delete(name)) this.#findDefault()
  }

  choose(ingress: IngressObject): ClassChoice {
    const named = namedClass(ingress)
    const name = named === '' ? this.#default : named
    const isNginx =
      this.#isCompat || name === 'nginx' || this.#classes.get(name)?.spec?.controller === NGINX_CONTROLLER
    return this.#share(name, this.#only === undefined || this.#isServedClass(named), isNginx)
  }

  /** There are few different choices, and one is kept per Ingress. */
  #share(name: string, isServed: boolean, isNginx: boolean): ClassChoice {
    const known = this.#choices.get(name)
    if (known !== undefined && known.isServed === isServed && known.isNginx === isNginx) return known
    const choice = { name, isServed, isNginx }
    this.#choices.set(name, choice)
    return choice
  }

  #isServedClass(named: string): boolean {
    if (named !== '') return named === this.#only
    return isDefault(this.#classes.get(this.#only ?? ''))
  }

  /** Of several defaults the newest, as the API server chooses. */
  #findDefault(): void {
    let best: IngressClassObject | undefined
    for (const one of this.#classes.values()) {
      if (!isDefault(one)) continue
      // With --ingress-class, an Ingress without a class is served as that class or not at all.
      if (one.metadata.name === this.#only) {
        best = one
        break
      }
      if (best === undefined || isNewer(one, best)) best = one
    }
    this.#default = best?.metadata.name ?? ''
  }
}

/** What the Ingress itself says; empty: nothing. */
function namedClass(ingress: IngressObject): string {
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
