/** The tables of annotations that have an effect, by name without prefix. */
import { TRAEFIK_ROWS } from './foreign.ts'
import { NGINX_OTHER_ROWS } from './nginx-rest.ts'
import { NGINX_WORKING_ROWS } from './nginx-works.ts'
import type { AnnotationRow } from './row.ts'

export const NGINX_ROWS = byName([...NGINX_WORKING_ROWS, ...NGINX_OTHER_ROWS])
const TRAEFIK = byName(TRAEFIK_ROWS)

/** Below `traefik.ingress.kubernetes.io/`. */
export function traefikRow(name: string): AnnotationRow | undefined {
  if (/^router\.tls\.domains\.\d+\.(?:main|sans)$/.test(name)) {
    return { name, status: 'later', values: 'list of names', summary: 'certificates from ACME' }
  }
  return TRAEFIK.get(name)
}

/** Of either: no name is in both. */
export function rowNamed(name: string): AnnotationRow | undefined {
  return NGINX_ROWS.get(name) ?? traefikRow(name)
}

function byName(rows: readonly AnnotationRow[]): ReadonlyMap<string, AnnotationRow> {
  return new Map(rows.map((row) => [row.name, row]))
}
