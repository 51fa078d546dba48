/**
 * The annotations of ingress-nginx that work: name, values and effect. Wrong values of tuning annotations leave the
 * default in force; a redirect to TLS that cannot be read is done, because not doing it would send in clear what was
 * to be protected.
 */
import type { ServiceConfig } from '#config/model/dynamic.ts'
import type { OptionsDraft } from './options.ts'
import { wrong, type AnnotationRow, type ValueProblem } from './row.ts'
import {
  HASH_VARIABLES,
  isCookieDomain,
  isCookiePath,
  isLocalPath,
  isToken,
  readBoolean,
  readHashSource,
  readInteger,
  readSize,
} from './values.ts'

/** Longest time that a timeout may be set to: ten days. */
const MAX_SECONDS = 864_000
const MAX_COOKIE_SECONDS = 10 * 365 * 86_400

type TimeoutName = keyof ServiceConfig['timeouts']

export const NGINX_WORKING_ROWS: readonly AnnotationRow[] = [
  {
    name: 'rewrite-target',
    status: 'works',
    values: 'path, with `$1` to `$9` for captures',
    summary:
      'Replaces the whole path; a path with captures or other regular-expression characters is a regular expression ' +
      'then. Below the old prefix `ingress.kubernetes.io/` and without captures it replaces only the matched prefix: ' +
      'with `/`, `/app/x` arrives as `/x`. A target equal to the path changes nothing.',
    apply: applyRewriteTarget,
  },
  {
    name: 'use-regex',
    status: 'works',
    values: '`true`, `false`',
    summary:
      'Paths of type Prefix and ImplementationSpecific are RE2 regular expressions, bound to the start, without case. ' +
      'With nginx habits every path of the host is, whichever Ingress it comes from.',
    apply(value, options) {
      const parsed = readBoolean(value)
      if (parsed === undefined) return wrong(value, 'true or false')
      options.useRegex = parsed
      return undefined
    },
  },
  {
    name: 'app-root',
    status: 'works',
    values: 'path',
    summary: 'A request for exactly `/` on the hosts of this Ingress is redirected (302) to the path.',
    apply(value, options) {
      if (!isLocalPath(value)) return wrong(value, 'a path that begins with one /')
      options.appRoot = value
      return undefined
    },
  },
  {
    name: 'ssl-redirect',
    status: 'works',
    values: '`true`, `false`',
    summary:
      'Plain requests for hosts with TLS are redirected (308) to https. Off unless set; with nginx habits on unless ' +
      'set to `false`. A value that cannot be read counts as `true`.',
    apply(value, options) {
      const parsed = readBoolean(value)
      options.sslRedirect = parsed ?? true
      return parsed === undefined ? taken(value, 'true or false', 'true') : undefined
    },
  },
  {
    name: 'force-ssl-redirect',
    status: 'works',
    values: '`true`, `false`',
    summary: 'The same for hosts without TLS here, where something in front ends TLS.',
    apply(value, options) {
      const parsed = readBoolean(value)
      options.forceSslRedirect = parsed ?? true
      return parsed === undefined ? taken(value, 'true or false', 'true') : undefined
    },
  },
  {
    name: 'backend-protocol',
    status: 'works',
    values: '`HTTP`, `HTTPS`',
    summary:
      'Protocol to the endpoints; wins over `appProtocol` of the Service. Certificates of endpoints are not verified. ' +
      'Other protocols close the paths.',
    apply(value, options) {
      const protocol = value.toUpperCase()
      if (protocol === 'HTTP' || protocol === 'HTTPS') {
        options.backendScheme = protocol === 'HTTP' ? 'http' : 'https'
        return undefined
      }
      const known = ['AUTO_HTTP', 'FCGI', 'GRPC', 'GRPCS'].includes(protocol)
      const message = known
        ? `protocol ${protocol} is not supported yet`
        : wrong(value, 'HTTP or HTTPS').message
      return { message, effect: 'closes' }
    },
  },
  {
    name: 'load-balance',
    status: 'works',
    values: '`round_robin`, `ewma`, `least_conn`, `ip_hash`, `chash`',
    summary:
      'How an endpoint is chosen: weighted round robin; for `ewma` the less loaded of two random ones; least ' +
      'connections; by client address; `chash` needs `upstream-hash-by`.',
    apply: applyLoadBalance,
  },
  {
    name: 'upstream-hash-by',
    status: 'works',
    values: 'text with variables',
    summary:
      `Consistent hash over the text. Variables: ${HASH_VARIABLES.join(', ')}, \`$http_NAME\`, \`$cookie_NAME\`, \`$arg_NAME\`, ` +
      'also written as `${name}`. Wins over `load-balance`.',
    apply(value, options) {
      const source = readHashSource(value)
      if (typeof source === 'string') return { message: `${source} is not a variable that can be hashed` }
      if (!source.some((part) => part.kind !== 'literal')) {
        return { message: `${JSON.stringify(value)} has no variable: every request would go to one endpoint` }
      }
      options.hashOn = source
      return undefined
    },
  },
  {
    name: 'affinity',
    status: 'works',
    values: '`cookie`',
    summary: 'Requests with the session cookie go to the endpoint that answered the first one.',
    apply(value, options) {
      if (value !== 'cookie') return wrong(value, 'cookie')
      options.isSticky = true
      return undefined
    },
  },
  {
    name: 'affinity-mode',
    status: 'works',
    values: '`persistent`, `balanced`',
    summary: 'A client stays with its endpoint while that lives; `balanced` means the same here.',
    apply(value) {
      return value === 'persistent' || value === 'balanced'
        ? undefined
        : wrong(value, 'persistent or balanced')
    },
  },
  {
    name: 'session-cookie-name',
    status: 'works',
    values: 'name',
    summary: 'Name of the session cookie; `INGRESSCOOKIE` unless set.',
    apply(value, options) {
      if (!isToken(value)) return wrong(value, 'a cookie name')
      options.cookie.name = value
      return undefined
    },
  },
  {
    name: 'session-cookie-path',
    status: 'works',
    values: 'path',
    summary:
      "Path of the session cookie; `/` unless set. With nginx habits it is the rule's path where that is literal.",
    apply(value, options) {
      if (!isCookiePath(value)) return wrong(value, 'a path')
      options.cookie.path = value
      return undefined
    },
  },
  {
    name: 'session-cookie-domain',
    status: 'works',
    values: 'domain',
    summary: 'Domain of the session cookie; none unless set.',
    apply(value, options) {
      if (!isCookieDomain(value)) return wrong(value, 'a domain')
      options.cookie.domain = value
      return undefined
    },
  },
  {
    name: 'session-cookie-secure',
    status: 'works',
    values: '`true`, `false`',
    summary: 'Whether the session cookie is Secure; unless set it is on answers that go out over TLS.',
    apply(value, options) {
      const parsed = readBoolean(value)
      if (parsed === undefined) return wrong(value, 'true or false')
      options.cookie.secure = parsed
      return undefined
    },
  },
  {
    name: 'session-cookie-samesite',
    status: 'works',
    values: '`None`, `Lax`, `Strict`',
    summary: 'SameSite of the session cookie; none unless set.',
    apply(value, options) {
      const lower = value.toLowerCase()
      if (lower === 'none') options.cookie.sameSite = 'None'
      else if (lower === 'lax') options.cookie.sameSite = 'Lax'
      else if (lower === 'strict') options.cookie.sameSite = 'Strict'
      else return wrong(value, 'None, Lax or Strict')
      return undefined
    },
  },
  {
    name: 'session-cookie-max-age',
    status: 'works',
    values: 'seconds',
    summary: 'Max-Age of the session cookie; it ends with the browser session unless set.',
    apply(value, options) {
      const seconds = readInteger(value, 0, MAX_COOKIE_SECONDS)
      if (seconds === undefined) return wrong(value, 'a whole number of seconds')
      options.cookie.maxAge = seconds
      return undefined
    },
  },
  {
    name: 'session-cookie-expires',
    status: 'works',
    values: 'seconds',
    summary: 'Expires of the session cookie, counted from the answer.',
    apply(value, options) {
      const seconds = readInteger(value, 0, MAX_COOKIE_SECONDS)
      if (seconds === undefined) return wrong(value, 'a whole number of seconds')
      options.cookie.expires = seconds
      return undefined
    },
  },
  {
    name: 'session-cookie-change-on-failure',
    status: 'works',
    values: '`true`, `false`',
    summary: 'Whether a client gets a new endpoint and cookie when its endpoint failed, or keeps its cookie.',
    apply(value, options) {
      const parsed = readBoolean(value)
      if (parsed === undefined) return wrong(value, 'true or false')
      options.cookie.changeOnFailure = parsed
      return undefined
    },
  },
  {
    name: 'proxy-connect-timeout',
    status: 'works',
    values: 'seconds, a bare number',
    summary: 'Longest wait for a connection to an endpoint; 5 unless set.',
    apply: timeout('connectMs'),
  },
  {
    name: 'proxy-read-timeout',
    status: 'works',
    values: 'seconds, a bare number',
    summary: 'Longest gap between two reads from an endpoint; 60 unless set. Also for WebSocket connections.',
    apply: timeout('readMs'),
  },
  {
    name: 'proxy-send-timeout',
    status: 'works',
    values: 'seconds, a bare number',
    summary: 'Longest gap between two writes to an endpoint; 60 unless set.',
    apply: timeout('sendMs'),
  },
  {
    name: 'proxy-body-size',
    status: 'works',
    values: 'bytes, with `k`, `m` or `g`; `0`: no limit',
    summary:
      'Longer request bodies get 413. No limit unless set; with nginx habits `1m`. Wrong values count as `1m`.',
    apply(value, options) {
      const bytes = readSize(value)
      options.maxBodyBytes = bytes ?? 1 << 20
      return bytes === undefined ? taken(value, 'a size', '1m') : undefined
    },
  },
  {
    name: 'canary',
    status: 'works',
    values: '`true`, `false`',
    summary:
      'An Ingress with `true` has no routes of its own; splitting traffic is not supported yet, so all of it goes to ' +
      'the main Ingress.',
    apply(value, options) {
      const parsed = readBoolean(value)
      if (parsed === undefined) return wrong(value, 'true or false')
      options.isCanary = parsed
      if (!parsed) return undefined
      return {
        message: 'splitting traffic is not supported yet; every request goes to the main Ingress',
        effect: 'warning',
      }
    },
  },
]

function applyRewriteTarget(
  value: string,
  options: OptionsDraft,
  context: { readonly isOldPrefix: boolean },
): ValueProblem | undefined {
  if (/^[a-z][a-z0-9+.-]*:|^\/\/|^\$/i.test(value)) {
    return { message: 'a target on another host (a redirect) is not supported yet', effect: 'closes' }
  }
  if (!/^\/[\x21-\x7e]*$/.test(value))
    return { ...wrong(value, 'a path that begins with /'), effect: 'closes' }
  const variable = /\$(?![1-9](?!\d))[^/]{0,30}/.exec(value)
  if (variable !== null) {
    return { message: `${JSON.stringify(variable[0])} is not a capture; $1 to $9 are`, effect: 'closes' }
  }
  const hasCaptures = value.includes('$')
  options.rewrite = { target: value, hasCaptures, isPrefixOnly: context.isOldPrefix && !hasCaptures }
  return undefined
}

function applyLoadBalance(value: string, options: OptionsDraft): ValueProblem | undefined {
  switch (value) {
    case 'round_robin':
      options.balancer = 'wrr'
      return undefined
    case 'least_conn':
      options.balancer = 'least-connections'
      return undefined
    case 'ip_hash':
      options.balancer = 'client-ip'
      return undefined
    case 'ewma':
      options.balancer = 'p2c'
      return { message: 'ewma is done as the less loaded of two random endpoints', effect: 'note' }
    case 'chash':
      options.balancer = 'consistent-hash'
      return undefined
    default:
      return wrong(value, 'round_robin, ewma, least_conn, ip_hash or chash')
  }
}

function timeout(name: TimeoutName): NonNullable<AnnotationRow['apply']> {
  return (value, options) => {
    const seconds = readInteger(value, 1, MAX_SECONDS)
    if (seconds === undefined) return wrong(value, `a bare number of seconds from 1 to ${MAX_SECONDS}`)
    options.timeouts[name] = seconds * 1000
    return undefined
  }
}

function taken(value: string, wanted: string, as: string): ValueProblem {
  return { message: `${wrong(value, wanted).message}; taken as ${as}`, effect: 'warning' }
}
