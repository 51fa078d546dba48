import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type {
  HostMatch,
  MiddlewareConfig,
  Origin,
  PathMatch,
  RouterConfig,
  ServiceConfig,
} from '#config/model/dynamic.ts'
import { RoutingProgram } from '#proxy/router/program.ts'
import { explainRequest, type ExplainOptions } from './explain.ts'
import type { Explanation } from './explanation.ts'
import { routeRows, routesTable } from './routes-table.ts'
import { renderExplanation } from './text.ts'

const LISTENERS = [
  { name: 'web', address: ':80', ports: [80, 8080], isTls: false },
  { name: 'websecure', address: ':443', ports: [443, 8443], isTls: true },
]

function origin(name: string, line = 1, kind = 'Ingress'): Origin {
  return {
    provider: 'test',
    kind,
    namespace: 'shop',
    name,
    place: { file: `/dir/${name}.yaml`, line, column: 1 },
  }
}

function router(
  name: string,
  host: HostMatch,
  path: PathMatch,
  more: Partial<RouterConfig> = {},
): RouterConfig {
  return {
    name,
    host,
    path,
    order: { rank: 0, priority: 0n, created: 0 },
    scheme: 'both',
    middlewares: [],
    service: 'shop-web',
    origin: origin(name),
    ...more,
  }
}

const SHOP: HostMatch = { kind: 'exact', name: 'shop.example' }

function service(name: string, count: number): ServiceConfig {
  const servers = Array.from({ length: count }, (_, i) => ({
    id: `10.0.0.${i}:80`,
    address: `10.0.0.${i}`,
    port: 80,
    weight: 1,
    ...(i === 1 ? { fenced: true } : {}),
  }))
  return { name, balancer: 'wrr', scheme: 'http', timeouts: {}, servers, origin: origin(name, 9, 'Service') }
}

const MIDDLEWARES: readonly MiddlewareConfig[] = [
  {
    name: 'to-https',
    type: 'redirectScheme',
    options: { scheme: 'https', permanentCode: 308 },
    origin: origin('to-https'),
  },
  {
    name: 'strip',
    type: 'replacePathRegex',
    options: { regex: '/app(/|$)(.*)', replacement: '/$2', caseInsensitive: false },
    origin: origin('strip'),
  },
]

const PROGRAM_ROUTERS = [
  router('cart', SHOP, { kind: 'prefix', value: '/cart' }),
  router(
    'cart-copy',
    SHOP,
    { kind: 'prefix', value: '/cart' },
    { order: { rank: 0, priority: 0n, created: 7 } },
  ),
  router('app', SHOP, { kind: 'prefix', value: '/app' }, { middlewares: ['strip'] }),
  router('secure', SHOP, { kind: 'exact', value: '/pay' }, { middlewares: ['to-https'] }),
  router(
    'closed',
    SHOP,
    { kind: 'prefix', value: '/admin' },
    { closed: 'annotation auth-url is not available yet' },
  ),
  router('empty', SHOP, { kind: 'prefix', value: '/empty' }, { service: 'nobody' }),
  router('lost', SHOP, { kind: 'prefix', value: '/lost' }, { service: 'unknown' }),
  router('broken', SHOP, { kind: 'prefix', value: '/broken' }, { middlewares: ['missing'] }),
  router('internal', SHOP, { kind: 'prefix', value: '/cart/x' }, { entryPoints: ['traefik'] }),
  router('wild', { kind: 'wildcard', name: 'example' }, { kind: 'any' }, { service: 'many' }),
]

function programOf(routers: readonly RouterConfig[]): RoutingProgram<RouterConfig> {
  const program = new RoutingProgram<RouterConfig>({ defaultEntryPoints: ['web', 'websecure'] })
  for (const each of routers) program.set(each, each)
  return program
}

const SERVICES = [service('shop-web', 3), service('nobody', 0), service('many', 60)]

const OPTIONS: ExplainOptions = {
  listeners: LISTENERS,
  certificate: (name) => ({ matched: name === 'shop.example' ? 'exact' : 'default', names: [`for ${name}`] }),
  middleware: (name) => MIDDLEWARES.find((each) => each.name === name),
  service: (name) => SERVICES.find((each) => each.name === name),
  findings: [
    { code: 'a', severity: 'warning', object: 'Ingress shop/cart', message: 'about the cart' },
    { code: 'b', severity: 'warning', object: 'Ingress shop/other', message: 'about something else' },
  ],
}

function explain(url: string, options: Partial<ExplainOptions> = {}): Explanation {
  return explainRequest(programOf(PROGRAM_ROUTERS), url, { ...OPTIONS, ...options })
}

describe('where the road ends', () => {
  const cases: [url: string, kind: string, text: RegExp][] = [
    ['http://shop.example/cart', 'forwarded', /one of 3 servers of shop-web, as \/cart$/],
    ['shop.example/cart', 'forwarded', /as \/cart$/],
    ['http://shop.example/x/../cart//?q=1#top', 'forwarded', /as \/cart\/\?q=1$/],
    ['http://shop.example:8080/app/a/b?x', 'forwarded', /as \/a\/b\?x$/],
    ['http://shop.example/pay', 'answered', /to-https answers 308 to https:\/\/shop.example\/pay/],
    ['https://shop.example/pay', 'forwarded', /as \/pay$/],
    ['http://shop.example/admin', 'closed', /auth-url/],
    ['http://shop.example/empty', 'no-server', /nobody has no ready endpoint/],
    ['http://shop.example/lost', 'no-server', /unknown does not exist/],
    ['http://shop.example/broken', 'closed', /missing does not exist/],
    ['http://a.example/', 'forwarded', /60 servers/],
    ['http://shop.exmaple/cart', 'no-route', /did you mean shop.example\?/],
    ['http://a.b.example/', 'no-route', /no router names this host/],
    ['http://shop.example/../x', 'refused', /more than one way/],
    ['http://sh op/', 'refused', /not a host/],
    ['http://shop.example/café', 'refused', /visible ASCII.*%C3%A9/],
    ['http://shop.example/caf%C3%A9', 'forwarded', /caf%C3%A9/],
    ['http://shop.example/cart?q=a b', 'refused', /visible ASCII/],
    [
      'http://shop.example:81/',
      'no-listener',
      /nothing listens on port 81; there are: web :80, websecure :443/,
    ],
    ['http://shop.example:443/', 'no-listener', /websecure speaks TLS on port 443.*https:/],
  ]
  for (const [url, kind, text] of cases) {
    it(`${url}: ${kind}`, () => {
      const { outcome } = explain(url)
      assert.equal(outcome.kind, kind)
      assert.match(outcome.text, text)
    })
  }

  it('methods that are never served are refused', () => {
    for (const [method, status] of [
      ['TRACE', 405],
      ['CONNECT', 501],
    ] as const) {
      const { outcome } = explain('http://shop.example/cart', { method })
      assert.equal(outcome.kind, 'refused')
      assert.equal('status' in outcome && outcome.status, status)
    }
  })

  it('a URL that is none is refused with an example', () => {
    assert.throws(() => explain('ftp://x/'), { name: 'ConfigError', message: /expected http: or https:/ })
    assert.throws(() => explain('http:///x'), { name: 'ConfigError', message: /names no host/ })
  })
})

describe('what is met on the way', () => {
  it('listener and certificate', () => {
    const { listener, certificate } = explain('https://shop.example/cart')
    assert.deepEqual(listener, { entryPoint: 'websecure', address: ':443', isTls: true, note: '' })
    assert.deepEqual(certificate, { matched: 'exact', names: ['for shop.example'] })
    assert.equal(explain('http://shop.example/cart').certificate, null)
    assert.deepEqual(
      explain('https://10.0.0.1/').certificate?.names,
      ['for '],
      'addresses are no server names',
    )
  })

  it('without a port another entrypoint of the scheme stands in, and says so', () => {
    const listeners = [{ name: 'alt', address: ':8000', ports: [8000], isTls: false }]
    const { listener } = explain('http://shop.example/cart', { listeners })
    assert.equal(listener?.entryPoint, 'alt')
    assert.match(listener.note, /nothing listens on port 80/)
  })

  it('the router, and why not the others', () => {
    const { route, levels } = explain('http://shop.example/cart/x')
    assert.equal(route?.name, 'cart')
    assert.equal(levels.length, 1)
    const byName = new Map(levels[0]?.candidates.map((each) => [each.name, each.reason]))
    assert.equal(levels[0]?.candidates[0]?.verdict, 'chosen')
    assert.match(byName.get('cart-copy') ?? '', /cart goes first: it is older/)
    assert.match(byName.get('internal') ?? '', /not bound to entrypoint web/)
    assert.match(byName.get('app') ?? '', /path does not match/)
  })

  it('findings about the objects on the road only', () => {
    assert.deepEqual(
      explain('http://shop.example/cart').findings.map((finding) => finding.code),
      ['a'],
    )
    assert.deepEqual(explain('http://shop.example/app').findings, [])
  })

  it('servers with their states, at most twenty', () => {
    const { service: found } = explain('http://a.example/', {
      serverState: (_, id) => (id === '10.0.0.0:80' ? 'ejected' : undefined),
    })
    assert.equal(found?.servers.length, 20)
    assert.equal(found?.more, 40)
    assert.deepEqual(
      found?.servers.slice(0, 3).map((server) => server.state),
      ['ejected', 'terminating', 'ready'],
    )
  })
})

it('the text tells the whole road, and control characters do not reach the terminal', () => {
  const routers = [...PROGRAM_ROUTERS, router('evil\x1b[31m', SHOP, { kind: 'prefix', value: '/z' })]
  const text = renderExplanation(
    explainRequest(programOf(routers), 'https://shop.example//app/x', OPTIONS),
    (file) => file.replace('/dir/', ''),
  )
  for (const expected of [
    /^GET https:\/\/shop\.example\/\/app\/x\n/,
    /path +\/app\/x in normal form/,
    /entrypoint +websecure :443, TLS/,
    /certificate +for shop\.example/,
    /router +app \(Ingress shop\/app app\.yaml:1\)/,
    /rule +Host\(`shop\.example`\) && PathPrefix\(`\/app`\) by element/,
    /host shop\.example: 10 routers/,
    /chosen +app /,
    /not +evil\\x1b\[31m/,
    /strip +replacePathRegex +\/app\/x becomes \/x/,
    /servers: 3/,
    /goes to one of 3 servers of shop-web, as \/x\n$/,
  ]) {
    assert.match(text, expected)
  }
  assert.match(text, /^[\n -~]*$/)
})

it('stays small on a host with 5,000 routers', () => {
  const routers = Array.from({ length: 5000 }, (_, i) =>
    router(`r${i}`, SHOP, i % 2 === 0 ? { kind: 'prefix', value: '/' } : { kind: 'prefix', value: `/${i}` }),
  )
  const explanation = explainRequest(programOf(routers), 'http://shop.example/', OPTIONS)
  assert.equal(explanation.levels[0]?.candidates.length, 20)
  assert.equal(explanation.levels[0]?.more, 4980)
  assert.ok(renderExplanation(explanation).split('\n').length < 50)
})

describe('the table of routers', () => {
  it('has them in the order of evaluation, with source and note', () => {
    const rows = [
      ...routeRows(programOf(PROGRAM_ROUTERS), {
        defaultEntryPoints: ['web', 'websecure'],
        service: (name) => SERVICES.find((each) => each.name === name),
        fileText: (file) => file.replace('/dir/', ''),
      }),
    ]
    assert.deepEqual(
      rows.map((row) => row.name),
      ['secure', 'broken', 'internal', 'closed', 'empty', 'cart', 'lost', 'cart-copy', 'app', 'wild'],
    )
    assert.deepEqual(
      rows.find((row) => row.name === 'cart'),
      {
        name: 'cart',
        entryPoints: 'web,websecure',
        host: 'shop.example',
        path: '/cart',
        type: 'prefix',
        service: 'shop-web',
        endpoints: '2 + 1 terminating',
        middlewares: '',
        source: 'cart.yaml:1',
        note: '',
      },
    )
    assert.equal(rows.find((row) => row.name === 'cart-copy')?.note, 'never asked: cart goes first')
    assert.match(rows.find((row) => row.name === 'closed')?.note ?? '', /^503: annotation/)
    assert.equal(rows.find((row) => row.name === 'internal')?.entryPoints, 'traefik')
    assert.equal(rows.find((row) => row.name === 'lost')?.endpoints, '-')
  })

  it('says "never asked" only when scheme and entrypoints are covered too', () => {
    const path: PathMatch = { kind: 'exact', value: '/' }
    const notes = (first: Partial<RouterConfig>, later: Partial<RouterConfig>): string[] =>
      Array.from(
        routeRows(programOf([router('a', SHOP, path, first), router('b', SHOP, path, later)]), {
          defaultEntryPoints: ['web', 'websecure'],
        }),
        (row) => row.note,
      )
    const never = ['', 'never asked: a goes first']
    assert.deepEqual(notes({}, {}), never)
    assert.deepEqual(notes({ scheme: 'http' }, {}), ['', ''])
    assert.deepEqual(notes({}, { scheme: 'http' }), never)
    assert.deepEqual(notes({ scheme: 'http' }, { scheme: 'https' }), ['', ''])
    assert.deepEqual(notes({ entryPoints: ['web'] }, {}), ['', ''])
    assert.deepEqual(notes({}, { entryPoints: ['web'] }), never)
    assert.deepEqual(notes({}, { entryPoints: ['traefik'] }), ['', ''])
  })

  it('is aligned and leaves out what no router has', () => {
    const lines = routesTable(
      programOf([
        router('a', SHOP, { kind: 'any' }),
        router('b', SHOP, { kind: 'exact', value: '/long/path' }),
      ]),
    )
    assert.deepEqual(lines, [
      'ENTRYPOINTS  HOST          PATH        TYPE   SERVICE   ENDPOINTS  SOURCE',
      '*            shop.example  /long/path  exact  shop-web  -          /dir/b.yaml:1',
      '*            shop.example  *           any    shop-web  -          /dir/a.yaml:1',
    ])
    assert.deepEqual(routesTable(programOf([])), [])
  })
})
