/**
 * Defaults for the annotations of all Ingresses of a class, from the keys of a ConfigMap: names of annotations without
 * prefix, of ingress-nginx or Traefik. Read once for the class, so that what is wrong with them is said once. A key that
 * restricts access and is not built closes the class, also where an Ingress says otherwise. Called by
 * `class-parameters.ts`; applied by `read.ts`.
 */
import { looksRestricting, restrictionNamed } from './foreign.ts'
import { emptyOptions, type IngressOptions } from './options.ts'
import type { AnnotationRow } from './row.ts'
import { rowNamed } from './rows.ts'

export interface ClassDefault {
  readonly name: string
  readonly row: AnnotationRow
  readonly value: string
}

export interface ClassDefaults {
  /** Those that work, in the order of the keys. */
  readonly list: readonly ClassDefault[]
  /** What they come to for an Ingress without annotations. */
  readonly options: IngressOptions
  /** Why the Ingresses of the class answer 503. */
  readonly closed: string | undefined
}

type Tell = (severity: 'error' | 'info' | 'warning', key: string, message: string) => void

export function readClassDefaults(data: Readonly<Record<string, string>>, tell: Tell): ClassDefaults {
  const options = emptyOptions()
  const list: ClassDefault[] = []
  let closed: string | undefined
  const close = (key: string, reason: string): void => {
    closed ??= `class default ${key}: ${reason}`
    tell('error', key, `${reason}; Ingresses of the class answer 503`)
  }
  for (const name of Object.keys(data).toSorted()) {
    const value = (data[name] ?? '').trim()
    const row = rowNamed(name) ?? (looksRestricting(name) ? restrictionNamed(name) : undefined)
    if (row === undefined) {
      tell('warning', name, 'is not the name of an annotation that is known; it has no effect')
      continue
    }
    if (value === '') continue
    switch (row.status) {
      case 'works': {
        const problem = row.apply?.(value, options, { isOldPrefix: false })
        if (problem?.effect === 'closes') close(name, problem.message)
        else if (problem?.effect === undefined && problem !== undefined) {
          tell('warning', name, `${problem.message}; it has no effect`)
          continue
        } else if (problem !== undefined) {
          tell(problem.effect === 'note' ? 'info' : 'warning', name, problem.message)
        }
        list.push({ name, row, value })
        break
      }
      case 'closes':
        if (row.isOff?.(value) !== true) close(name, 'restricts access and is not supported yet')
        break
      case 'later':
        tell('info', name, `is not supported yet (${row.summary}); it has no effect`)
        break
      case 'no effect':
        tell('info', name, `has nothing to change here: ${row.summary}`)
        break
    }
  }
  if (options.hashOn !== undefined) options.balancer = 'consistent-hash'
  else if (options.balancer === 'consistent-hash') options.balancer = undefined
  options.closed = closed
  return { list, options, closed }
}
