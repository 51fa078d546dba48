/**
 * Reads plain data by a shape: makes a copy that has only the shape's fields with the shape's types, and reports what
 * does not fit with its path. As in the Kubernetes API a null is an absent field. Lenient where Kubernetes is not, but
 * everybody means the same: an unquoted `true` or `8080` among strings is taken as the text that is written there.
 */
import type { ObjectPath } from './objects.ts'
import type { FieldsShape, Shape } from './shapes.ts'

export type ShapeProblemKind = 'base64' | 'field' | 'unknown-field' | 'unquoted'

export interface ShapeProblem {
  readonly kind: ShapeProblemKind
  readonly message: string
  readonly hint?: string
  readonly path: ObjectPath
}

/** Written by every `kubectl apply`, as long as the object itself, and read by nothing. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

export class ShapeReader {
  readonly problems: ShapeProblem[] = []
  readonly #path: (number | string)[] = []
  readonly #source: (path: ObjectPath) => string | undefined

  /** @param source the text of a scalar as it is written; called only for unquoted ones where strings belong */
  constructor(source: (path: ObjectPath) => string | undefined) {
    this.#source = source
  }

  /** The copy; it is to be used only if no `field` or `base64` problem was reported. */
  read(shape: Shape, value: unknown): unknown {
    if (value === null || value === undefined) return undefined
    if (typeof shape === 'object') {
      return shape.kind === 'list' ? this.#list(shape.items, value) : this.#fields(shape, value)
    }
    return this.#scalar(shape, value)
  }

  #scalar(shape: Exclude<Shape, object>, value: unknown): unknown {
    if (shape === 'strings') return this.#strings(value)
    if (shape === 'bytes') return this.#bytes(value)
    const isNumber = Number.isSafeInteger(value)
    if (shape === 'string') return typeof value === 'string' ? value : this.#wrong('a string', value)
    if (shape === 'integer') return isNumber ? value : this.#wrong('a whole number', value)
    if (shape === 'boolean') return typeof value === 'boolean' ? value : this.#wrong('true or false', value)
    return isNumber || typeof value === 'string' ? value : this.#wrong('a whole number or a string', value)
  }

  #list(items: Shape, value: unknown): unknown {
    if (!Array.isArray(value)) return this.#wrong('a list', value)
    const result: unknown[] = []
    for (const [index, item] of value.entries()) {
      this.#path.push(index)
      if (item === null) this.#wrong(describe(items), item)
      else result.push(this.read(items, item))
      this.#path.pop()
    }
    return result
  }

  #fields(shape: FieldsShape, value: unknown): unknown {
    if (!isMapping(value)) return this.#wrong('a mapping', value)
    const result: Record<string, unknown> = {}
    for (const name of Object.keys(value)) {
      const field = shape.fields.get(name)
      if (field === undefined) {
        if (!shape.ignored.has(name)) this.#unknownField(shape, name)
        continue
      }
      this.#path.push(name)
      const read = this.read(field, value[name])
      if (read !== undefined) result[name] = read
      this.#path.pop()
    }
    for (const name of shape.required) {
      if (value[name] === undefined || value[name] === null) {
        this.#report('field', `${pathText([...this.#path, name])} is missing`)
      }
    }
    return result
  }

  #strings(value: unknown): unknown {
    if (!isMapping(value)) return this.#wrong('a mapping of strings', value)
    const result: Record<string, string> = {}
    for (const [name, item] of Object.entries(value)) {
      if (name === LAST_APPLIED) continue
      this.#path.push(name)
      if (typeof item === 'string') result[name] = item
      else if (item === null) result[name] = ''
      else if (typeof item === 'object') this.#wrong('a string', item)
      else result[name] = this.#unquoted(item as boolean | number)
      this.#path.pop()
    }
    return result
  }

  #unquoted(item: boolean | number): string {
    const written = this.#source(this.#path) ?? String(item)
    this.#report(
      'unquoted',
      `${pathText(this.#path)} is ${typeName(item)} where kubernetes wants a string; taken as "${written}"`,
      `quote it: "${written}"`,
    )
    return written
  }

  #bytes(value: unknown): unknown {
    if (!isMapping(value)) return this.#wrong('a mapping of base64 texts', value)
    const result: Record<string, string> = {}
    for (const [name, item] of Object.entries(value)) {
      this.#path.push(name)
      if (item === null) result[name] = ''
      else if (typeof item !== 'string') this.#wrong('a base64 text', item)
      else {
        // Line ends inside are allowed, as in the API.
        const text = item.replaceAll(/[\r\n]/g, '')
        if (isBase64(text)) result[name] = text
        else {
          this.#report(
            'base64',
            `${pathText(this.#path)} is not base64`,
            'encode the value, or write it as it is under stringData',
          )
        }
      }
      this.#path.pop()
    }
    return result
  }

  #unknownField(shape: FieldsShape, name: string): void {
    const parent = this.#path
    const path = [...parent, name]
    const renamed = shape.renamed.get(name)
    const hint =
      renamed !== undefined ? `in this apiVersion it is ${renamed}` : nearest(name, shape.fields.keys())
    this.problems.push({
      kind: 'unknown-field',
      message: `${pathText(path)} is no field of this apiVersion and is ignored`,
      path,
      ...(hint === undefined ? {} : { hint }),
    })
  }

  #wrong(expected: string, value: unknown): undefined {
    const canQuote = expected === 'a string' && (typeof value === 'boolean' || typeof value === 'number')
    const hint = canQuote ? `quote it: "${this.#source(this.#path) ?? value}"` : undefined
    this.#report('field', `${pathText(this.#path)} must be ${expected}, is ${typeName(value)}`, hint)
    return undefined
  }

  #report(kind: ShapeProblemKind, message: string, hint?: string): void {
    this.problems.push({ kind, message, path: [...this.#path], ...(hint === undefined ? {} : { hint }) })
  }
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'a string'
  if (typeof value === 'boolean') return `${value}`
  return typeof value === 'number' ? `the number ${value}` : 'a mapping'
}

function describe(shape: Shape): string {
  if (typeof shape === 'object') return shape.kind === 'list' ? 'a list' : 'a mapping'
  return shape === 'string' ? 'a string' : 'a value'
}

/** `spec.rules[0].host`, `metadata.annotations["example.com/a"]`. */
export function pathText(path: ObjectPath): string {
  let text = ''
  for (const member of path) {
    if (typeof member === 'number') text += `[${member}]`
    else if (/^[A-Za-z][\w-]*$/.test(member)) text += text === '' ? member : `.${member}`
    else text += `[${JSON.stringify(member)}]`
  }
  return text
}

/** Standard alphabet with padding, as Go's decoder wants it. */
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}

/** A field that differs only in case or by one letter. */
function nearest(name: string, known: Iterable<string>): string | undefined {
  for (const candidate of known) {
    if (candidate.toLowerCase() === name.toLowerCase() || isOneEdit(candidate, name)) {
      return `did you mean ${candidate}`
    }
  }
  return undefined
}

function isOneEdit(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 3) return false
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  const rest = (text: string, skip: number): string => text.slice(start + skip)
  return (
    rest(a, 1) === rest(b, 1) ||
    rest(a, 1) === rest(b, 0) ||
    rest(a, 0) === rest(b, 1) ||
    // Two letters swapped.
    (a[start] === b[start + 1] && a[start + 1] === b[start] && rest(a, 2) === rest(b, 2))
  )
}
