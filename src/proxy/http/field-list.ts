/**
 * Fields of an answer that has no received head behind it: our own replies. No value can add a line, whatever it was
 * made of: control characters become spaces, as in a head. Names come from this program or from checked configuration.
 */
import { cleanValue } from '#wire/http1/head.ts'
import type { Fields } from './exchange.ts'

/** Fields that can be written. */
export interface OutgoingFields extends Fields {
  /** Complete field lines, without the empty line at the end. */
  serializeFields(): string
}

export class FieldList implements OutgoingFields {
  #list: string[]

  constructor(flat: readonly string[]) {
    this.#list = flat.map((text, index) => (index % 2 === 0 ? text : cleanValue(text)))
  }

  get(name: string): string | undefined {
    const index = this.#find(name, 0)
    return index < 0 ? undefined : this.#list[index + 1]
  }

  getAll(name: string): string | undefined {
    let joined: string | undefined
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 2)) {
      joined = joined === undefined ? this.#list[at + 1] : `${joined}, ${this.#list[at + 1]}`
    }
    return joined
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0
  }

  remove(name: string): void {
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at)) this.#list.splice(at, 2)
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.append(name, value)
  }

  append(name: string, value: string): void {
    this.#list.push(name, cleanValue(value))
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (let at = 0; at < this.#list.length; at += 2) visit(this.#list[at]!, this.#list[at + 1]!)
  }

  serializeFields(): string {
    let text = ''
    for (let at = 0; at < this.#list.length; at += 2) text += `${this.#list[at]}: ${this.#list[at + 1]}\r\n`
    return text
  }

  #find(name: string, from: number): number {
    const wanted = name.toLowerCase()
    for (let at = from; at < this.#list.length; at += 2) {
      if (this.#list[at]!.toLowerCase() === wanted) return at
    }
    return -1
  }
}
