/**
 * A set that is nearly always empty or of one element, as references between Kubernetes objects are: a host has one
 * Ingress, a Service one user. A real Set is made from the second element on, because 100,000 of them would weigh.
 */
export class FewSet<T extends object> {
  #one: T | undefined
  #many: Set<T> | undefined

  get size(): number {
    return this.#many?.size ?? (this.#one === undefined ? 0 : 1)
  }

  /** In order of addition. */
  first(): T | undefined {
    if (this.#many === undefined) return this.#one
    for (const value of this.#many) return value
    return undefined
  }

  has(value: T): boolean {
    return this.#many?.has(value) ?? this.#one === value
  }

  add(value: T): void {
    if (this.#many !== undefined) this.#many.add(value)
    else if (this.#one === undefined) this.#one = value
    else if (this.#one !== value) this.#many = new Set([this.#one, value])
  }

  delete(value: T): void {
    if (this.#many !== undefined) this.#many.delete(value)
    else if (this.#one === value) this.#one = undefined
  }

  values(): Iterable<T> {
    return this.#many ?? (this.#one === undefined ? NOTHING : [this.#one])
  }
}

const NOTHING: readonly never[] = []
