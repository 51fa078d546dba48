import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readiness } from '#observe/readiness.ts'
import { createInternalApi } from './internal.ts'
import type { InternalSources } from './internal.ts'

function api(changes: Partial<InternalSources> = {}) {
  const readiness = new Readiness()
  const answer = createInternalApi({
    readiness,
    ping: { terminatingStatusCode: 503 },
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: () => 'up 1\n' },
    ...changes,
  })
  return { readiness, answer }
}

const TEXT = 'text/plain; charset=utf-8'

test('answers while all is well', async () => {
  const { answer } = api()
  const cases: [method: string, path: string, status: number, contentType: string, body: string][] = [
    ['GET', '/ping', 200, TEXT, 'OK'],
    ['HEAD', '/ping?x=1', 200, TEXT, 'OK'],
    ['POST', '/ping', 405, TEXT, 'method not allowed; use GET, HEAD\n'],
    ['GET', '/ready', 200, 'application/json', '{"ready":true}\n'],
    ['GET', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', 'up 1\n'],
    ['DELETE', '/metrics', 405, TEXT, 'method not allowed; use GET, HEAD\n'],
    ['GET', '/', 404, TEXT, 'not found; there is /metrics /ping /ready\n'],
    ['GET', '/ping/', 404, TEXT, 'not found; there is /metrics /ping /ready\n'],
    ['POST', '/nowhere', 404, TEXT, 'not found; there is /metrics /ping /ready\n'],
  ]
  for (const [method, path, status, contentType, body] of cases) {
    const got = await answer(method, path)
    assert.deepEqual(
      [got.status, got.contentType, got.body],
      [status, contentType, body],
      `${method} ${path}`,
    )
    assert.equal(got.allow, status === 405 ? 'GET, HEAD' : undefined)
  }
})

test('ready says what is missing', async () => {
  const { readiness, answer } = api()
  readiness.expectProvider('manifests')
  readiness.expectListener('web')
  const got = await answer('GET', '/ready')
  assert.equal(got.status, 503)
  assert.deepEqual(JSON.parse(got.body), {
    ready: false,
    reasons: [
      { provider: 'manifests', reason: 'has not delivered its first configuration' },
      { listener: 'web', reason: 'is not bound yet' },
    ],
  })
})

test('while draining, ping has the terminating status and ready is false', async () => {
  const { readiness, answer } = api({ ping: { terminatingStatusCode: 204 } })
  readiness.drain()
  assert.equal((await answer('GET', '/ping')).status, 204)
  assert.equal((await answer('GET', '/ready')).status, 503)
  assert.equal((await answer('GET', '/metrics')).status, 200)
})

test('the digest of the configuration comes with what it is of', async () => {
  const { answer } = api({
    configHash: () => ({ hash: 'ab12', inForce: false, counts: { routers: 2, services: 1 } }),
  })
  const got = await answer('GET', '/debug/config-hash')
  assert.equal(got.status, 200)
  assert.deepEqual(JSON.parse(got.body), { hash: 'ab12', inForce: false, routers: 2, services: 1 })
})

test('ready repeats what a provider waits for', async () => {
  const { readiness, answer } = api()
  readiness.expectProvider('kubernetes', () => 'waits for the first list of ingresses')
  assert.deepEqual(JSON.parse((await answer('GET', '/ready')).body), {
    ready: false,
    reasons: [{ provider: 'kubernetes', reason: 'waits for the first list of ingresses' }],
  })
})

test('what is switched off is not there', async () => {
  const readiness = new Readiness()
  const answer = createInternalApi({ readiness })
  assert.equal((await answer('GET', '/ping')).status, 404)
  const got = await answer('GET', '/metrics')
  assert.deepEqual([got.status, got.body], [404, 'not found; there is /ready\n'])
})

test('metrics may come later', async () => {
  const { answer } = api({
    metrics: { contentType: 'text/plain', text: async () => Promise.resolve('late 1\n') },
  })
  assert.equal((await answer('GET', '/metrics')).body, 'late 1\n')
})
