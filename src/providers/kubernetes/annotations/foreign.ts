/**
 * Annotations of other ingress controllers. Few have an effect; what restricts access closes its paths under every
 * prefix that is known, by name or by what names of that sort look like. Prefixes that are not listed belong to other
 * programs and are nobody's business here.
 */
import { wrong, plainRows, type AnnotationRow } from './row.ts'
import { readBoolean } from './values.ts'

const isOff = (value: string): boolean => value === '0' || value === 'off' || readBoolean(value) === false

/** No value of these asks for nothing: they name objects, and one may be called `off`. */
const closes = (name: string, summary: string): AnnotationRow => ({
  name,
  status: 'closes',
  values: 'text',
  summary,
})

/** Under `traefik.ingress.kubernetes.io/`, on an Ingress. */
export const TRAEFIK_ROWS: readonly AnnotationRow[] = [
  {
    name: 'router.entrypoints',
    status: 'works',
    values: 'list of names',
    summary: 'The routes of this Ingress are served on these entrypoints only.',
    apply(value, options) {
      const names = value
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '')
      if (names.length === 0) return { ...wrong(value, 'a list of entrypoints'), effect: 'closes' }
      options.entryPoints = names
      return undefined
    },
  },
  {
    name: 'router.tls',
    status: 'works',
    values: '`true`, `false`',
    summary: 'With `true` the routes of this Ingress are served over TLS only.',
    apply(value, options) {
      const parsed = readBoolean(value)
      if (parsed === undefined) return { ...wrong(value, 'true or false'), effect: 'closes' }
      options.isTlsOnly = parsed
      return undefined
    },
  },
  closes('router.middlewares', 'middlewares, of which one may keep requests out'),
  closes('router.tls.options', 'TLS options, which may ask for client certificates'),
  ...plainRows(
    'later',
    `
router.pathmatcher: how paths match
router.priority: place among the routes
router.tls.certresolver: certificates from ACME
router.observability.accesslogs: access log per route
router.observability.metrics: metrics per route
router.observability.tracing: traces per route
router.observability.traceverbosity: traces per route
`,
  ),
  ...plainRows('no effect', 'router.rulesyntax: an Ingress has no rule text'),
]

export interface ForeignPrefix {
  readonly prefix: string
  readonly controller: string
  /** Names that restrict access though they do not look so. */
  readonly closing?: readonly string[]
}

export const FOREIGN_PREFIXES: readonly ForeignPrefix[] = [
  {
    prefix: 'haproxy.org/',
    controller: 'HAProxy Technologies',
    closing: ['client-ca', 'backend-config-snippet'],
  },
  {
    prefix: 'haproxy-ingress.github.io/',
    controller: 'HAProxy Ingress',
    closing: ['config-backend', 'config-frontend'],
  },
  {
    prefix: 'nginx.org/',
    controller: 'F5 NGINX Ingress Controller',
    closing: ['policies', 'location-snippets', 'server-snippets'],
  },
  { prefix: 'nginx.com/', controller: 'F5 NGINX Ingress Controller', closing: ['policies'] },
  { prefix: 'konghq.com/', controller: 'Kong', closing: ['plugins'] },
  { prefix: 'projectcontour.io/', controller: 'Contour' },
  { prefix: 'k8s.apisix.apache.org/', controller: 'APISIX', closing: ['plugin-config-name', 'enable-csrf'] },
  { prefix: 'higress.io/', controller: 'Higress' },
  { prefix: 'mse.ingress.kubernetes.io/', controller: 'MSE' },
  {
    prefix: 'alb.ingress.kubernetes.io/',
    controller: 'AWS Load Balancer Controller',
    closing: ['inbound-cidrs', 'security-groups', 'security-group-prefix-lists', 'mutual-authentication'],
  },
  { prefix: 'appgw.ingress.kubernetes.io/', controller: 'Azure Application Gateway' },
]

/** Words that name a restriction wherever they stand in an annotation's name. */
const RESTRICTING =
  /(?:^|[-._/])(?:auth|authn|authz|oauth2?|oidc|jwt|acl|waf|wafv2|modsecurity|satisfy|middlewares|tls\.options|allow-?list|white-?list|block-?list|deny-?list|black-?list|source-range|allow-methods|block-methods|rate-limits?|limit)(?:$|[-._/])/

/** `authentication-type` and the like. */
const RESTRICTING_WORD = /authent|authoriz/

/** Whether an annotation that no table has restricts access, by the looks of its name. */
export function looksRestricting(name: string): boolean {
  const lower = name.toLowerCase()
  return RESTRICTING.test(lower) || RESTRICTING_WORD.test(lower)
}

/** Whose value names objects, with which `off` is a name like any other. */
const NAMES_OBJECTS = /(?:^|[-._])(?:middlewares|options|policies|plugins|plugin-config-name)$/

/** A restriction that no table describes, as a row. */
export function restrictionNamed(name: string): AnnotationRow {
  const row = closes(name, 'restricts access by the looks of its name')
  return NAMES_OBJECTS.test(name.toLowerCase()) ? row : { ...row, isOff }
}
