import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sekisho } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const EXAMPLE = 'examples/quickstart'
const BACKENDS = [
  '--backend=quickstart/shop=127.0.0.1:3000,127.0.0.1:3001',
  '--backend=quickstart/blog=127.0.0.1:3002',
  '--backend=quickstart/cart=127.0.0.1:3003',
]

describe('sekisho routes', () => {
  it('prints a line per route with its service, endpoints and place', async () => {
    const { code, stdout, stderr } = await sekisho(['routes', EXAMPLE, ...BACKENDS], ROOT)
    assert.equal(stderr, '')
    assert.equal(code, 0)
    const lines = stdout.trimEnd().split('\n')
    assert.match(lines[0] ?? '', /^ENTRYPOINTS +HOST +PATH +TYPE +SERVICE +ENDPOINTS/)
    assert.equal(lines.length, 6)
    const shop = lines.find((line) => / shop\.localhost +\/ /.test(line))
    assert.match(
      shop ?? '',
      /^web,websecure .* quickstart-shop-80@kubernetes +2 .*examples\/quickstart\/shop\.yaml:2$/,
    )
  })
})

describe('sekisho explain', () => {
  const cases: readonly (readonly [string, readonly string[], number, readonly RegExp[]])[] = [
    [
      'names the certificate, the rule and what goes first',
      ['https://shop.localhost/cart/x'],
      0,
      [
        /^entrypoint +websecure :443, TLS$/m,
        /^certificate +quickstart-shop-tls@kubernetes$/m,
        /^ +chosen +quickstart-shop-shop-localhost-cart@kubernetes/m,
        /^ +not +quickstart-shop-shop-localhost@kubernetes .*its path is longer/m,
        /127\.0\.0\.1:3003 +ready/,
      ],
    ],
    ['shows what a rewrite does', ['http://old.localhost/app/x?y'], 0, [/\/app\/x\?y becomes \/x\?y/]],
    ['proposes the nearest host', ['http://shop.localhos/'], 1, [/404: .*did you mean shop\.localhost\?/]],
    ['says which paths are refused', ['http://shop.localhost/a%zz'], 1, [/400/]],
    [
      'says that no endpoint is there',
      ['http://echo.localhost/'],
      1,
      [/503: .*has no ready endpoint/, /--backend/],
    ],
    ['says that nobody listens there', ['http://shop.localhost:9/'], 1, [/web :80/]],
    ['takes the entrypoint by name', ['http://shop.localhost:9/', '--via=web'], 0, [/^entrypoint +web/m]],
    [
      'knows the ports of given entrypoints',
      ['http://shop.localhost:8000/', '--entryPoints.edge.address=:8000'],
      0,
      [/^entrypoint +edge :8000$/m],
    ],
  ]
  for (const [name, args, expectedCode, patterns] of cases) {
    it(name, async () => {
      const [url = '', ...flags] = args
      const { code, stdout, stderr } = await sekisho(['explain', url, EXAMPLE, ...flags, ...BACKENDS], ROOT)
      assert.equal(stderr, '')
      for (const pattern of patterns) assert.match(stdout, pattern)
      assert.equal(code, expectedCode, stdout)
    })
  }

  it('prints JSON when asked to', async () => {
    const { stdout } = await sekisho(
      ['explain', 'http://blog.localhost/', EXAMPLE, '--json', ...BACKENDS],
      ROOT,
    )
    const explanation = JSON.parse(stdout) as { outcome: { kind: string }; route: { name: string } }
    assert.equal(explanation.outcome.kind, 'forwarded')
    assert.equal(explanation.route.name, 'quickstart-blog-blog-localhost@kubernetes')
  })

  it('refuses what is no URL, and arguments in the wrong order', async () => {
    assert.match((await sekisho(['explain', 'ftp://x/', EXAMPLE], ROOT)).stderr, /expected http: or https:/)
    assert.equal((await sekisho(['explain', EXAMPLE, 'http://x/'], ROOT)).code, 2)
    assert.match(
      (await sekisho(['explain', 'x/', EXAMPLE, '--clientAddress=me'], ROOT)).stderr,
      /must be an IP address/,
    )
  })
})
