/** The page about annotations, from the tables: docs/guide/annotations.md. A test compares the two. */
import { FOREIGN_PREFIXES, TRAEFIK_ROWS } from './foreign.ts'
import { NGINX_OTHER_ROWS } from './nginx-rest.ts'
import { NGINX_WORKING_ROWS } from './nginx-works.ts'
import type { AnnotationRow } from './row.ts'

const INTRODUCTION = `# Annotations

<!-- Generated from src/providers/kubernetes/annotations; npm run docs writes it. -->

What the annotations of an Ingress do. Those of ingress-nginx are read below \`nginx.ingress.kubernetes.io/\` and below the
older \`ingress.kubernetes.io/\`; where both stand, the former counts. An empty value is the same as no annotation.

An annotation that **restricts access** and is not supported yet closes the paths of its Ingress: they answer 503, and a
finding names file and line. Nothing is let through because a restriction was not understood. Every other annotation below a
known prefix that has no effect is named once in a finding. Prefixes that are not on this page are ignored: they belong to
other programs.

A value that is wrong leaves the default in force, with a warning, where the annotation tunes something; where it decides
who gets in or what a backend is asked for, the paths answer 503.

## Two meanings of rewrite-target

| written as | path of the rule | request | arrives as |
|---|---|---|---|
| \`ingress.kubernetes.io/rewrite-target: /\` | \`/app\` | \`/app/x\` | \`/x\` |
| \`ingress.kubernetes.io/rewrite-target: /\` | \`/app\` | \`/app\` | \`/\` |
| \`nginx.ingress.kubernetes.io/rewrite-target: /\` | \`/app\` | \`/app/x\` | \`/\` (and a warning) |
| \`nginx.ingress.kubernetes.io/rewrite-target: /$2\` | \`/app(/\\|$)(.*)\` | \`/app/x\` | \`/x\` |
| \`nginx.ingress.kubernetes.io/rewrite-target: /new\` | \`/app\` | \`/app/x?a=b\` | \`/new?a=b\` |

A target on another host and variables other than captures are not supported yet; they close the paths.

## Habits of nginx

Ingresses of class \`nginx\` (by name, or by the controller \`k8s.io/ingress-nginx\`), and all with \`--compat=ingress-nginx\`,
get what ingress-nginx does without being told:

- one \`use-regex\` or \`rewrite-target\` on a host makes every path of that host, of all such Ingresses, a regular expression
  without case that is bound to the start only, \`Exact\` ones too;
- \`ImplementationSpecific\` is a prefix of characters: \`/foo\` matches \`/foobar\`;
- a rule for \`/foo/\` answers \`/foo\` with 301 to \`/foo/\`;
- hosts with TLS redirect plain requests with 308, except below \`/.well-known/acme-challenge\`;
- answers over TLS carry \`Strict-Transport-Security\`;
- request bodies over 1 MiB get 413 (\`proxy-body-size\`);
- a host that has rules answers 404 where none matches, also when there is a default backend for all hosts;
- the cookie of \`affinity\` is bound to the path of the rule.

Other Ingresses mean what the Kubernetes API says: \`Prefix\` and \`ImplementationSpecific\` match by element, and nothing is
redirected or limited unless an annotation asks for it.
`

export function annotationsReference(): string {
  const nginx = [...NGINX_WORKING_ROWS, ...NGINX_OTHER_ROWS]
  const parts = [
    INTRODUCTION,
    '## Annotations of ingress-nginx that work\n',
    effectTable(nginx),
    '## Annotations of ingress-nginx that close their paths\n',
    'They restrict access and are not supported yet. Any other name that reads like a restriction (`auth-…`, `limit-…`,\n' +
      '`…-whitelist`, …) does the same.\n',
    closingTable(nginx),
    '## Annotations of ingress-nginx that are not supported yet\n',
    'They have no effect, and a warning says so.\n',
    nameTable(nginx, 'later', 'about'),
    '## Annotations of ingress-nginx that have nothing to change here\n',
    nameTable(nginx, 'no effect', 'because'),
    '## Annotations of Traefik\n',
    'Below `traefik.ingress.kubernetes.io/`.\n',
    effectTable(TRAEFIK_ROWS),
    'These close their paths:\n',
    closingTable(TRAEFIK_ROWS),
    'These have no effect yet: ' +
      TRAEFIK_ROWS.filter((row) => row.status === 'later' || row.status === 'no effect')
        .map((row) => `\`${row.name}\``)
        .join(', ') +
      ', `router.tls.domains.N.main` and `.sans`. On a Service, `service.middlewares` closes the routes to it.\n',
    '## Other controllers\n',
    'Below these prefixes nothing works yet; what restricts access, by its name, closes its paths:\n',
    table(
      ['prefix', 'controller', 'also closing'],
      FOREIGN_PREFIXES.map((one) => [
        code(one.prefix),
        one.controller,
        (one.closing ?? []).map(code).join(', '),
      ]),
    ),
  ]
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`
}

function effectTable(rows: readonly AnnotationRow[]): string {
  const working = rows.filter((row) => row.status === 'works')
  return table(
    ['annotation', 'values', 'effect'],
    working.map((row) => [code(row.name), row.values, row.summary]),
  )
}

function closingTable(rows: readonly AnnotationRow[]): string {
  const closing = rows.filter((row) => row.status === 'closes').toSorted(byName)
  return table(
    ['annotation', 'what for', 'does not close'],
    closing.map((row) => [code(row.name), row.summary, offValues(row)]),
  )
}

/** Of the values that lists like these have. */
function offValues(row: AnnotationRow): string {
  const candidates = ['false', '0', 'off', 'all', '0.0.0.0/0,::/0']
  return candidates
    .filter((value) => row.isOff?.(value) === true)
    .map(code)
    .join(', ')
}

function nameTable(rows: readonly AnnotationRow[], status: AnnotationRow['status'], title: string): string {
  const found = rows.filter((row) => row.status === status).toSorted(byName)
  return table(
    ['annotation', title],
    found.map((row) => [code(row.name), row.summary]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}

function byName(a: AnnotationRow, b: AnnotationRow): number {
  return a.name < b.name ? -1 : 1
}
