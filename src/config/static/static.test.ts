import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatIssue } from '#lib/errors.ts'
import { parseFlags } from './flags.ts'
import { decodeStatic, defaultEntryPointNames, defaultStatic, staticSchema } from './static.ts'
import type { StaticConfig } from './static.ts'

/** Configuration of these flags; fails the test when there are issues. */
function configOf(...args: string[]): StaticConfig {
  const flags = parseFlags(args, staticSchema)
  assert.deepEqual(flags.issues, [])
  const result = decodeStatic(flags.tree)
  assert.ok(result.ok, result.ok ? '' : result.issues.map((issue) => formatIssue(issue)).join('\n'))
  return result.config
}

/** Issues of these flags as text. */
function issuesOf(...args: string[]): string {
  const flags = parseFlags(args, staticSchema)
  const result = decodeStatic(flags.tree)
  return [...flags.issues, ...(result.ok ? [] : result.issues)]
    .map((issue) => formatIssue(issue, '--'))
    .join('\n')
}

const valid: readonly (readonly [string, readonly string[], (config: StaticConfig) => unknown, unknown])[] = [
  [
    'an address',
    ['--entryPoints.web.address=127.0.0.1:81'],
    (c) => c.entryPoints['web']?.address,
    { host: '127.0.0.1', port: 81 },
  ],
  ['any case', ['--ENTRYPOINTS.web.ADDRESS=:81'], (c) => c.entryPoints['web']?.address.port, 81],
  [
    'one hyphen, as Go takes it',
    ['-entrypoints.web.address=:81'],
    (c) => c.entryPoints['web']?.address.port,
    81,
  ],
  [
    'IPv6',
    ['--entryPoints.web.address=[::1]:81'],
    (c) => c.entryPoints['web']?.address,
    { host: '::1', port: 81 },
  ],
  [
    '/tcp',
    ['--entryPoints.web.address=:81/tcp'],
    (c) => c.entryPoints['web']?.address,
    { host: '', port: 81 },
  ],
  ['a value as its own argument', ['--log.level', 'debug'], (c) => c.log.level, 'DEBUG'],
  ['the last of repeated scalars', ['--log.level=info', '--log.level=error'], (c) => c.log.level, 'ERROR'],
  [
    'a bare boolean',
    ['--entryPoints.web.forwardedHeaders.insecure'],
    (c) => c.entryPoints['web']?.forwardedHeaders.insecure,
    true,
  ],
  ['a bare group', ['--accessLog'], (c) => c.accessLog?.format, 'common'],
  [
    'a group and an option of it',
    ['--accessLog', '--accessLog.format=json'],
    (c) => c.accessLog?.format,
    'json',
  ],
  [
    'an option and then its group',
    ['--accessLog.format=json', '--accessLog=true'],
    (c) => c.accessLog?.format,
    'json',
  ],
  ['a group twice', ['--accessLog', '--accessLog'], (c) => c.accessLog?.format, 'common'],
  ['a group switched off', ['--ping=false'], (c) => c.ping, undefined],
  ['no group', [], (c) => c.accessLog, undefined],
  [
    'comma lists',
    ['--entryPoints.web.proxyProtocol.trustedIPs=10.0.0.0/8,::1'],
    (c) => c.entryPoints['web']?.proxyProtocol.trustedIPs,
    ['10.0.0.0/8', '::1'],
  ],
  [
    'repeated lists',
    [
      '--entryPoints.web.forwardedHeaders.trustedIPs=10.0.0.0/8',
      '--entryPoints.WEB.forwardedHeaders.trustedIPs=::1',
    ],
    (c) => c.entryPoints['web']?.forwardedHeaders.trustedIPs,
    ['10.0.0.0/8', '::1'],
  ],
  [
    'bare seconds',
    ['--entryPoints.web.transport.lifeCycle.graceTimeOut=3'],
    (c) => c.entryPoints['web']?.transport.lifeCycle.graceTimeOut,
    3000,
  ],
  ['durations', ['--limits.connectTimeout=1m30s'], (c) => c.limits.connectTimeout, 90_000],
  [
    'sizes',
    ['--entryPoints.web.http.maxHeaderBytes=8KiB'],
    (c) => c.entryPoints['web']?.http.maxHeaderBytes,
    8192,
  ],
  ['TLS', ['--entryPoints.web.http.tls'], (c) => c.entryPoints['web']?.http.tls, true],
  [
    'upgrade tokens',
    ['--entryPoints.web.http.upgradeTokens=WebSocket,tls/1.0'],
    (c) => c.entryPoints['web']?.http.upgradeTokens,
    ['websocket', 'tls/1.0'],
  ],
  ['TLS as text', ['--entryPoints.web.http.tls=true'], (c) => c.entryPoints['web']?.http.tls, true],
  [
    'hyphens in a name',
    ['--ingress-class=nginx', '--compat=ingress-nginx'],
    (c) => [c.ingressClass, c.compat],
    ['nginx', 'ingress-nginx'],
  ],
  [
    'backends with commas in them',
    ['--backend=a/b=h:1,h:2', '--backend', 'c/d:80=h:3'],
    (c) => c.backends,
    ['a/b=h:1,h:2', 'c/d:80=h:3'],
  ],
  [
    'metrics',
    ['--metrics.prometheus', '--metrics.prometheus.buckets=0.1,1'],
    (c) => c.metrics.prometheus?.buckets,
    [0.1, 1],
  ],
  [
    'headers of the access log',
    ['--accessLog.fields.headers.names.User-Agent=keep'],
    (c) => c.accessLog?.fields.headers.names,
    { 'User-Agent': 'keep' },
  ],
  [
    'queries of the access log',
    ['--accessLog.fields.queryParameters.defaultMode=redact', '--accessLog.format=genericCLF'],
    (c) => [c.accessLog?.fields.queryParameters.defaultMode, c.accessLog?.format],
    ['redact', 'genericCLF'],
  ],
  [
    "a field in any case, and one of Traefik's that lines do not have",
    ['--accessLog.fields.names.requestpath=drop', '--accessLog.fields.names.GzipRatio=drop'],
    (c) => c.accessLog?.fields.names,
    { requestpath: 'drop', GzipRatio: 'drop' },
  ],
]

describe('static configuration by flag', () => {
  for (const [name, args, pick, expected] of valid) {
    it(`takes ${name}: ${args.join(' ')}`, () => assert.deepEqual(pick(configOf(...args)), expected))
  }

  const wrong: readonly (readonly [string, RegExp])[] = [
    [
      '--entrypoint.web.address=:80',
      /^--entrypoint\.web\.address: is not a known flag \(did you mean --entryPoints\.web\.address\?\)$/,
    ],
    ['--entryPoints.web.adress=:80', /did you mean --entryPoints\.web\.address\?/],
    ['--entryPoints.web.address=80', /must be HOST:PORT or :PORT, such as :80, not "80"/],
    ['--entryPoints.web.address=::1:80', /an IPv6 address stands in brackets/],
    ['--entryPoints.web.address=[10.0.0]:80', /no IPv6 address/],
    ['--entryPoints.web.address=10.0.0:80', /neither an IP address nor a name/],
    ['--entryPoints.web.address=:70000', /ports end at 65535/],
    ['--entryPoints.web.address=:80/udp', /UDP entrypoints are not available yet/],
    ['--entryPoints.web.address', /needs a value/],
    ['--entryPoints.shop.http.tls=true', /--entryPoints\.shop\.address: required, but not given/],
    ['--entryPoints.a b.address=:80', /is no entrypoint name/],
    ['--entryPoints.web.http3', /is not available: HTTP\/3 is not built yet/],
    ['--entryPoints.web.http.tls.certResolver=le', /is not available: certificates from ACME/],
    ['--providers.docker=true', /--providers: is not available/],
    ['--certificatesResolvers.le.acme.email=a@b.c', /is not available: .*ACME/],
    ['--log.levle=info', /did you mean --log\.level\?/],
    ['--log.level=loud', /must be one of TRACE, DEBUG/],
    ['--workers=0', /from 1 to 48, not 0/],
    ['--workers.x=1', /is not a known flag/],
    ['--metrics.prometheus.buckets=1,1', /must ascend/],
    ['--metrics.prometheus.headerLabels.a-b=X-A', /headerLabels: "a-b" is no label name/],
    ['--metrics.prometheus.headerLabels.__name__=X-A', /headerLabels: "__name__" is no label name/],
    ['--metrics.prometheus.headerLabels.code=X-A', /headerLabels: "code" is a label that requests have/],
    ['--accessLog.filters.statusCodes=200,600-500', /statusCodes\[1\]: must be a status code or a range/],
    ['--accessLog.fields.names.RequestPaht=drop', /is no field of a line \(did you mean RequestPath\?\)/],
    ['--accessLog.fields.names.xyzzyxyzzy=drop', /is no field of a line \(there are ClientAddr, /],
    ['--ping.entryPoint=web', /must be one of traefik/],
    ['--compat=nginx', /must be one of ingress-nginx, not "nginx"/],
    ['--__proto__.x=1', /is not a known flag/],
    ['--xyzzy', /see --help/],
  ]
  for (const [arg, expected] of wrong) it(`refuses ${arg}`, () => assert.match(issuesOf(arg), expected))

  it('warns about options that change nothing', () => {
    const flags = parseFlags(['--global.checkNewVersion=false', '--log.noColor'], staticSchema)
    const result = decodeStatic(flags.tree)
    assert.ok(result.ok)
    assert.deepEqual(
      result.warnings.map((issue) => issue.path.join('.')),
      ['global', 'log.noColor'],
    )
  })

  it('separates positionals, also after --, and sees --help', () => {
    const flags = parseFlags(['dir', '--ping', 'other', '-h', '--', '--workers'], staticSchema)
    assert.deepEqual(flags.positionals, ['dir', 'other', '--workers'])
    assert.equal(flags.isHelp, true)
    assert.deepEqual(flags.tree, { ping: 'true' })
  })

  it('reports two entrypoints on one address, but not two on port 0', () => {
    assert.match(
      issuesOf('--entryPoints.a.address=:1', '--entryPoints.b.address=:1'),
      /:1 is also the address of a/,
    )
    assert.equal(issuesOf('--entryPoints.a.address=:0', '--entryPoints.b.address=:0'), '')
  })
})

describe('static configuration: entrypoints', () => {
  const summary = (config: StaticConfig) =>
    Object.values(config.entryPoints)
      .map(
        (e) =>
          `${e.name} ${e.address.host}:${e.address.port}${e.http.tls ? ' tls' : ''}${e.isDefault ? ' default' : ''}`,
      )
      .toSorted()

  it('are web, websecure and the internal one by default', () => {
    const expected = ['traefik 127.0.0.1:8081 default', 'web :80 default', 'websecure :443 tls default']
    assert.deepEqual(summary(defaultStatic()), expected)
  })

  it('with an address replace the defaults, but not the internal one', () => {
    const config = configOf('--entryPoints.shop.address=:8000')
    assert.deepEqual(summary(config), ['shop :8000', 'traefik 127.0.0.1:8081 default'])
  })

  it('keep the defaults when only settings of them are given', () => {
    const config = configOf('--entryPoints.websecure.http.maxHeaderBytes=4KiB')
    assert.deepEqual(summary(config), [
      'traefik 127.0.0.1:8081 default',
      'web :80 default',
      'websecure :443 tls default',
    ])
    assert.equal(config.entryPoints['websecure']?.http.maxHeaderBytes, 4096)
  })

  it('keep the defaults when only the internal one is given', () => {
    const config = configOf('--entryPoints.traefik.address=127.0.0.1:0')
    assert.deepEqual(summary(config), [
      'traefik 127.0.0.1:0',
      'web :80 default',
      'websecure :443 tls default',
    ])
  })

  it('serve routers without entrypoints where asDefault says so, otherwise everywhere but on the internal one', () => {
    assert.deepEqual(defaultEntryPointNames(defaultStatic()), ['web', 'websecure'])
    const config = configOf(
      '--entryPoints.a.address=:1',
      '--entryPoints.b.address=:2',
      '--entryPoints.b.asDefault',
    )
    assert.deepEqual(defaultEntryPointNames(config), ['b'])
  })

  it('are plain data that a worker can be sent', () => {
    const config = configOf('--accessLog', '--ping', '--metrics.prometheus')
    assert.deepEqual(structuredClone(config), config)
  })
})
