/**
 * Reads the annotations of an Ingress into options: looks each name up in the tables, applies what works, closes what
 * restricts access and is not built, and names the rest. `nginx.ingress.kubernetes.io/` wins over the old
 * `ingress.kubernetes.io/` where both say something, and either over the defaults of the class.
 */
import type { Report } from '../findings.ts'
import type { SourcedObject } from '../objects.ts'
import type { ClassDefaults } from './class-defaults.ts'
import { FOREIGN_PREFIXES, looksRestricting, restrictionNamed } from './foreign.ts'
import { emptyOptions, NO_OPTIONS, type IngressOptions, type OptionsDraft } from './options.ts'
import type { AnnotationRow, AnnotationStatus } from './row.ts'
import { NGINX_ROWS, traefikRow } from './rows.ts'

export const NGINX_PREFIX = 'nginx.ingress.kubernetes.io/'
export const OLD_PREFIX = 'ingress.kubernetes.io/'
export const TRAEFIK_PREFIX = 'traefik.ingress.kubernetes.io/'

/** An annotation that has no effect, for the list that names each once. */
export interface IgnoredAnnotation {
  readonly annotation: string
  readonly status: Extract<AnnotationStatus, 'later' | 'no effect'> | 'unknown'
  readonly summary: string
}

export interface ReadAnnotations {
  readonly options: IngressOptions
  readonly ignored: readonly IgnoredAnnotation[]
}

const NOTHING: ReadAnnotations = { options: NO_OPTIONS, ignored: [] }

/** `findings` go to `report`: what closes paths and what has a wrong value. */
export function readAnnotations(
  sourced: SourcedObject,
  defaults: ClassDefaults | undefined,
  report: Report,
): ReadAnnotations {
  const annotations = sourced.object.metadata.annotations
  let reader: AnnotationReader | undefined
  for (const annotation in annotations) {
    const known = lookUp(annotation)
    if (known === undefined) continue
    reader ??= new AnnotationReader(sourced, defaults, report)
    reader.read(annotation, known.name, known.row, known.isOldPrefix, annotations)
  }
  if (reader !== undefined) return reader.finish()
  return defaults === undefined ? NOTHING : { options: defaults.options, ignored: [] }
}

interface Known {
  readonly name: string
  readonly row: AnnotationRow | undefined
  readonly isOldPrefix: boolean
}

/** What an annotation of a Service comes to: those of other objects are read nowhere. */
export type ServiceAnnotation = 'closes' | 'later' | 'misplaced'

/** Undefined: nobody's business here, or a value that asks for nothing. */
export function judgeServiceAnnotation(annotation: string, value: string): ServiceAnnotation | undefined {
  const known = lookUp(annotation)
  if (known === undefined || value.trim() === '') return undefined
  if (annotation.startsWith(NGINX_PREFIX) || annotation.startsWith(OLD_PREFIX)) return 'misplaced'
  const row = known.row ?? (looksRestricting(known.name) ? restrictionNamed(known.name) : undefined)
  return row?.status === 'closes' && row.isOff?.(value.trim()) !== true ? 'closes' : 'later'
}

/** Undefined: the prefix is none of those that are known. */
function lookUp(annotation: string): Known | undefined {
  const slash = annotation.indexOf('/')
  if (slash === -1) return undefined
  const prefix = annotation.slice(0, slash + 1)
  const name = annotation.slice(slash + 1)
  if (prefix === NGINX_PREFIX) return { name, row: NGINX_ROWS.get(name), isOldPrefix: false }
  if (prefix === OLD_PREFIX) return { name, row: NGINX_ROWS.get(name), isOldPrefix: true }
  if (prefix === TRAEFIK_PREFIX) return { name, row: traefikRow(name), isOldPrefix: false }
  const foreign = FOREIGN_PREFIXES.find((one) => one.prefix === prefix)
  if (foreign === undefined) return undefined
  const row = foreign.closing?.includes(name) === true ? restrictionNamed(name) : undefined
  return { name, row, isOldPrefix: false }
}

class AnnotationReader {
  readonly #sourced: SourcedObject
  readonly #report: Report
  readonly #options: OptionsDraft = emptyOptions()
  readonly #ignored: IgnoredAnnotation[] = []

  constructor(sourced: SourcedObject, defaults: ClassDefaults | undefined, report: Report) {
    this.#sourced = sourced
    this.#report = report
    if (defaults !== undefined) this.#applyDefaults(defaults)
  }

  /** What is wrong with them has been told for the class. An empty annotation takes a default back. */
  #applyDefaults(defaults: ClassDefaults): void {
    const own = this.#sourced.object.metadata.annotations ?? {}
    for (const { name, row, value } of defaults.list) {
      const said = own[NGINX_PREFIX + name] ?? own[OLD_PREFIX + name] ?? own[TRAEFIK_PREFIX + name]
      if (said?.trim() !== '') row.apply?.(value, this.#options, { isOldPrefix: false })
    }
    this.#options.closed = defaults.closed
  }

  read(
    annotation: string,
    name: string,
    known: AnnotationRow | undefined,
    isOldPrefix: boolean,
    all: Readonly<Record<string, string>>,
  ): void {
    const value = (all[annotation] ?? '').trim()
    if (isOldPrefix && this.#isOverridden(annotation, name, value, all)) return
    const row = known ?? (looksRestricting(name) ? restrictionNamed(name) : undefined)
    if (row === undefined) {
      this.#ignored.push({ annotation, status: 'unknown', summary: '' })
      return
    }
    switch (row.status) {
      case 'works':
        // An empty value is the annotation taken back, as an overlay of a shared manifest does.
        if (value !== '') this.#apply(annotation, row, value, isOldPrefix)
        break
      case 'closes':
        if (value !== '' && row.isOff?.(value) !== true) this.#closeFor(annotation)
        break
      case 'later':
      case 'no effect':
        this.#ignored.push({ annotation, status: row.status, summary: row.summary })
        break
    }
  }

  finish(): ReadAnnotations {
    const { balancer, hashOn } = this.#options
    if (hashOn !== undefined) this.#options.balancer = 'consistent-hash'
    else if (balancer === 'consistent-hash') {
      this.#options.balancer = undefined
      const path = ['metadata', 'annotations', `${NGINX_PREFIX}load-balance`]
      const message = 'load-balance chash needs upstream-hash-by; requests go round robin'
      this.#report.add('annotation-invalid', 'warning', this.#sourced, path, message)
    }
    return { options: this.#options, ignored: this.#ignored }
  }

  #apply(annotation: string, row: AnnotationRow, value: string, isOldPrefix: boolean): void {
    const problem = row.apply?.(value, this.#options, { isOldPrefix })
    if (problem === undefined) return
    const path = ['metadata', 'annotations', annotation]
    const text = `annotation ${annotation}: ${problem.message}`
    if (problem.effect === 'closes') {
      this.#close(text)
      this.#report.add('annotation-invalid', 'error', this.#sourced, path, `${text}; its paths answer 503`)
    } else if (problem.effect !== undefined) {
      const severity = problem.effect === 'note' ? 'info' : 'warning'
      this.#report.add('annotation-note', severity, this.#sourced, path, text)
    } else {
      this.#report.add('annotation-invalid', 'warning', this.#sourced, path, `${text}; the default is used`)
    }
  }

  #closeFor(annotation: string): void {
    const text = `annotation ${annotation} is not supported yet`
    this.#close(text)
    this.#report.add(
      'annotation-not-supported',
      'error',
      this.#sourced,
      ['metadata', 'annotations', annotation],
      `${text}: it restricts access, so the paths of this Ingress answer 503`,
      'remove the annotation if the restriction is not needed',
    )
  }

  #close(text: string): void {
    this.#options.closed ??= text
  }

  /** The same annotation below the new prefix counts; a restriction below either does. */
  #isOverridden(
    annotation: string,
    name: string,
    value: string,
    all: Readonly<Record<string, string>>,
  ): boolean {
    const newer = all[NGINX_PREFIX + name]
    if (newer === undefined || NGINX_ROWS.get(name)?.status === 'closes') return false
    if (newer.trim() !== value) {
      const path = ['metadata', 'annotations', annotation]
      const message = `annotation ${annotation} is not used: ${NGINX_PREFIX}${name} says otherwise`
      this.#report.add('annotation-overridden', 'warning', this.#sourced, path, message)
    }
    return true
  }
}
