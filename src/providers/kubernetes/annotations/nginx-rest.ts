/**
 * The annotations of ingress-nginx that do not work here: those that restrict access close their paths until they are
 * built, the others are named in a finding. With `nginx-works.ts` this is every name that its last version reads, and
 * some older ones.
 */
import { plainRows, type AnnotationRow } from './row.ts'
import { readBoolean, readInteger } from './values.ts'

const isFalse = (value: string): boolean => readBoolean(value) === false
const isZero = (value: string): boolean => readInteger(value, 0, 0) === 0

/** A list that names everybody keeps nobody out (ACME solvers write it). */
function allowsEveryone(value: string): boolean {
  const prefixes = value.split(',').map((prefix) => prefix.trim())
  return prefixes.includes('0.0.0.0/0') && prefixes.includes('::/0')
}

function closing(
  name: string,
  summary: string,
  values = 'text',
  isOff?: AnnotationRow['isOff'],
): AnnotationRow {
  return { name, status: 'closes', values, summary, ...(isOff === undefined ? {} : { isOff }) }
}

const CLOSING_ROWS: readonly AnnotationRow[] = [
  closing('auth-type', 'user names and passwords', '`basic`, `digest`'),
  closing('auth-secret', 'Secret with the users'),
  closing('auth-secret-type', 'format of that Secret'),
  closing('auth-realm', 'realm of the password dialogue'),
  closing('auth-url', 'asks another service whether to let a request in'),
  closing('auth-method', 'method of that question'),
  closing('auth-signin', 'where to sign in'),
  closing('auth-signin-redirect-param', 'parameter that leads back from there'),
  closing('auth-snippet', 'nginx configuration'),
  closing('auth-cache-key', 'cache of answers'),
  closing('auth-cache-duration', 'how long'),
  closing('auth-keepalive', 'connections to that service', 'number', isZero),
  closing('auth-keepalive-share-vars', 'shared variables', '`true`, `false`', isFalse),
  closing('auth-keepalive-requests', 'requests per connection'),
  closing('auth-keepalive-timeout', 'idle time of a connection'),
  closing('auth-response-headers', 'headers taken over from the answer'),
  closing('auth-proxy-set-headers', 'headers of the question'),
  closing('auth-request-redirect', 'header that leads back'),
  closing('auth-always-set-cookie', 'cookies of the answer', '`true`, `false`', isFalse),
  closing('auth-tls-secret', 'client certificates'),
  closing(
    'auth-tls-verify-client',
    'how strictly',
    '`on`, `off`, `optional`, `optional_no_ca`',
    (value) => value === 'off',
  ),
  closing('auth-tls-verify-depth', 'length of their chain'),
  closing('auth-tls-error-page', 'where others are sent'),
  closing('auth-tls-pass-certificate-to-upstream', 'certificate for the backend', '`true`, `false`', isFalse),
  closing('auth-tls-match-cn', 'name that the certificate must have'),
  closing('allowlist-source-range', 'only these addresses', 'list of prefixes', allowsEveryone),
  closing('whitelist-source-range', 'only these addresses', 'list of prefixes', allowsEveryone),
  closing('denylist-source-range', 'not these addresses', 'list of prefixes'),
  closing('limit-rate', 'bytes per second', 'number', isZero),
  closing('limit-rate-after', 'bytes before that', 'number', isZero),
  closing('limit-rpm', 'requests per minute and client', 'number', isZero),
  closing('limit-rps', 'requests per second and client', 'number', isZero),
  closing('limit-connections', 'connections per client', 'number', isZero),
  closing('limit-burst-multiplier', 'requests above the rate', 'number', isZero),
  closing('limit-allowlist', 'addresses without limit', 'list of prefixes'),
  closing('limit-whitelist', 'addresses without limit', 'list of prefixes'),
  closing('global-rate-limit', 'requests per window', 'number', isZero),
  closing(
    'satisfy',
    'whether one or all of the checks must pass',
    '`all`, `any`',
    (value) => value === 'all',
  ),
  closing('enable-modsecurity', 'web application firewall', '`true`, `false`', isFalse),
  closing('enable-owasp-core-rules', 'its rules', '`true`, `false`', isFalse),
  closing('modsecurity-snippet', 'its configuration'),
  closing('configuration-snippet', 'nginx configuration, which may keep requests out'),
  closing('server-snippet', 'nginx configuration, which may keep requests out'),
  closing(
    'ssl-passthrough',
    'TLS up to the backend, which may ask for client certificates',
    '`true`, `false`',
    isFalse,
  ),
  closing(
    'proxy-ssl-verify',
    'certificates of endpoints are verified',
    '`on`, `off`',
    (value) => value === 'off',
  ),
]

const LATER_ROWS = plainRows(
  'later',
  `
affinity-canary-behavior: canary releases
canary-by-cookie: canary releases
canary-by-header: canary releases
canary-by-header-pattern: canary releases
canary-by-header-value: canary releases
canary-weight: canary releases
canary-weight-total: canary releases
connection-proxy-header: Connection field sent to the backend
cors-allow-credentials: cross-origin requests
cors-allow-headers: cross-origin requests
cors-allow-methods: cross-origin requests
cors-allow-origin: cross-origin requests
cors-expose-headers: cross-origin requests
cors-max-age: cross-origin requests
custom-headers: response headers from a ConfigMap
custom-http-errors: error pages
default-backend: Service for error pages and for routes without endpoints
disable-proxy-intercept-errors: error pages
enable-access-log: access log per route
enable-cors: cross-origin requests
enable-opentelemetry: traces per route
enable-opentracing: traces per route
fastcgi-index: FastCGI
fastcgi-params-configmap: FastCGI
from-to-www-redirect: redirect between a name and its www. form
global-rate-limit-ignored-cidrs: rate limits
global-rate-limit-key: rate limits
global-rate-limit-window: rate limits
mirror-host: copies of requests
mirror-request-body: copies of requests
mirror-target: copies of requests
modsecurity-transaction-id: web application firewall
opentelemetry-operation-name: traces per route
opentelemetry-trust-incoming-span: traces per route
opentracing-trust-incoming-span: traces per route
permanent-redirect: redirect instead of a backend
permanent-redirect-code: redirect instead of a backend
proxy-cookie-domain: Domain of the backend's cookies
proxy-cookie-path: Path of the backend's cookies
proxy-http-version: HTTP version to the backend
proxy-next-upstream: which failures go to another endpoint
proxy-next-upstream-timeout: time for that
proxy-next-upstream-tries: tries
proxy-redirect-from: Location of the backend
proxy-redirect-to: Location of the backend
proxy-ssl-ciphers: TLS to the backend
proxy-ssl-name: TLS to the backend
proxy-ssl-protocols: TLS to the backend
proxy-ssl-secret: client certificate for the backend
proxy-ssl-server-name: TLS to the backend
proxy-ssl-verify-depth: TLS to the backend
relative-redirects: redirects without scheme and host
secure-backends: old form of backend-protocol HTTPS
secure-verify-ca-secret: old form of proxy-ssl-secret
server-alias: further names of a host
service-upstream: ClusterIP of the Service as the endpoint
session-cookie-conditional-samesite-none: SameSite for old browsers
ssl-ciphers: TLS per host
stream-snippet: nginx configuration outside HTTP
temporal-redirect: redirect instead of a backend
temporal-redirect-code: redirect instead of a backend
upstream-hash-by-subset: consistent hash over groups of endpoints
upstream-hash-by-subset-size: consistent hash over groups of endpoints
upstream-vhost: Host sent to the backend
use-port-in-redirects: port in redirects
x-forwarded-prefix: header after a rewrite
`,
)

const NO_EFFECT_ROWS = plainRows(
  'no effect',
  `
client-body-buffer-size: bodies are streamed
enable-global-auth: there is no authentication for all Ingresses
enable-influxdb: removed from ingress-nginx
enable-rewrite-log: explain shows how a path was rewritten
http2-push-preload: HTTP/2 push is gone
influxdb-host: removed from ingress-nginx
influxdb-measurement: removed from ingress-nginx
influxdb-port: removed from ingress-nginx
influxdb-server-name: removed from ingress-nginx
preserve-trailing-slash: the redirect to https keeps the path as it is
proxy-buffer-size: response heads are bounded for all routes
proxy-buffering: bodies are streamed
proxy-buffers-number: bodies are streamed
proxy-busy-buffers-size: bodies are streamed
proxy-max-temp-file-size: nothing is put on disk
proxy-request-buffering: bodies are streamed
session-cookie-hash: removed from ingress-nginx
ssl-prefer-server-ciphers: the server's order always counts
`,
)

export const NGINX_OTHER_ROWS: readonly AnnotationRow[] = [...CLOSING_ROWS, ...LATER_ROWS, ...NO_EFFECT_ROWS]
