/** Requests through the running gateway: hosts, paths, rewriting, what is not served. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayProcess } from './bed/gateway-process.ts'
import { ingress, service } from './bed/manifests.ts'
import { exchangeBytes, RawServer } from './bed/raw-peer.ts'

/** Tells the request line it got. */
async function echoServer(name: string): Promise<RawServer> {
  return RawServer.answering((head) => {
    const body = `${name} ${head.slice(0, head.indexOf(' HTTP/'))}`
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
}

async function get(port: number, host: string, target: string): Promise<{ status: number; body: string }> {
  const text = await exchangeBytes(
    port,
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  )
  return { status: Number(text.slice(9, 12)), body: text.slice(text.indexOf('\r\n\r\n') + 4) }
}

test('hosts and paths lead to their services', async (t) => {
  await using shop = await echoServer('shop')
  await using cart = await echoServer('cart')
  await using gateway = await GatewayProcess.start({
    manifests: {
      'shop.yaml': ingress({
        host: 'shop.example',
        paths: [
          { path: '/', service: 'shop' },
          { path: '/cart', service: 'cart' },
          { path: '/exact', pathType: 'Exact', service: 'cart' },
        ],
      }),
      'wild.yaml': ingress({ name: 'wild', host: '*.wild.example', paths: [{ service: 'cart' }] }),
      'services.yaml': `${service('shop', [shop.address])}\n---\n${service('cart', [cart.address])}`,
    },
  })
  const rows: readonly [host: string, target: string, status: number, body: string | RegExp][] = [
    ['shop.example', '/', 200, 'shop GET /'],
    ['SHOP.example:8080', '/x?y=1', 200, 'shop GET /x?y=1'],
    ['shop.example.', '/', 200, 'shop GET /'],
    ['shop.example', '/cart', 200, 'cart GET /cart'],
    ['shop.example', '/cart/', 200, 'cart GET /cart/'],
    ['shop.example', '/cart/1', 200, 'cart GET /cart/1'],
    ['shop.example', '/carts', 200, 'shop GET /carts'],
    ['shop.example', '/exact', 200, 'cart GET /exact'],
    ['shop.example', '/exact/', 200, 'shop GET /exact/'],
    ['shop.example', '/a/../cart', 200, 'cart GET /cart'],
    ['shop.example', '/%63art', 200, 'cart GET /cart'],
    ['a.wild.example', '/', 200, 'cart GET /'],
    ['a.b.wild.example', '/', 404, /no route/],
    ['wild.example', '/', 404, /no route/],
    ['other.example', '/', 404, /no route/],
    ['shop.example', '/../x', 400, /path/],
    ['sh op', '/', 400, /malformed|host/],
  ]
  for (const [host, target, status, body] of rows) {
    await t.test(`${host} ${target} → ${status}`, async () => {
      const answer = await get(gateway.web, host, target)
      assert.equal(answer.status, status, answer.body)
      if (typeof body === 'string') assert.equal(answer.body, body)
      else assert.match(answer.body, body)
    })
  }
})

test('an old manifest with rewrite-target strips its prefix', async () => {
  await using app = await echoServer('app')
  await using gateway = await GatewayProcess.start({
    manifests: {
      'app.yaml': `
apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: app
  annotations:
    ingress.kubernetes.io/rewrite-target: /
spec:
  rules:
  - host: kubernetes.foo.bar
    http:
      paths:
      - path: /app
        backend:
          serviceName: appsvc
          servicePort: 80
`,
      'services.yaml': service('appsvc', [app.address]),
    },
  })
  assert.equal((await get(gateway.web, 'kubernetes.foo.bar', '/app/x')).body, 'app GET /x')
  assert.equal((await get(gateway.web, 'kubernetes.foo.bar', '/app')).body, 'app GET /')
  assert.equal((await get(gateway.web, 'kubernetes.foo.bar', '/apple')).status, 404)
})

test('a service without servers answers 503 until it has some', async () => {
  await using late = await echoServer('late')
  await using gateway = await GatewayProcess.start({
    manifests: {
      'web.yaml': ingress({ host: 'late.example', paths: [{ service: 'late' }] }),
      'services.yaml': service('late', []),
    },
  })
  assert.equal((await get(gateway.web, 'late.example', '/')).status, 503)
  await gateway.logged(/--backend default\/late/)
  await gateway.replace('services.yaml', service('late', [late.address]))
  await gateway.until(async () => (await get(gateway.web, 'late.example', '/')).status === 200)
})

test('an annotation that restricts access and is not understood closes its paths', async () => {
  await using open = await echoServer('open')
  await using gateway = await GatewayProcess.start({
    manifests: {
      'closed.yaml': ingress({
        name: 'closed',
        host: 'closed.example',
        annotations: {
          'nginx.ingress.kubernetes.io/auth-type': 'basic',
          'nginx.ingress.kubernetes.io/auth-secret': 'users',
        },
        paths: [{ service: 'open' }],
      }),
      'open.yaml': ingress({ name: 'open', host: 'open.example', paths: [{ service: 'open' }] }),
      'services.yaml': service('open', [open.address]),
    },
  })
  assert.equal((await get(gateway.web, 'closed.example', '/')).status, 503)
  assert.equal((await get(gateway.web, 'open.example', '/')).status, 200)
  assert.equal(open.connections.length, 1)
})
