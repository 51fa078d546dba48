import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeClient } from '#kube/client.ts'
import type { TokenSource } from '../pod.ts'
import { testPod } from '../pod.fixture.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'

const HOUR: TokenSource = { path: 'token', expirationSeconds: 3607 }
const OTHER: TokenSource = { path: 'other', expirationSeconds: 3607, audience: 'vault' }

interface Asked {
  readonly spec: { readonly audiences: readonly string[]; readonly boundObjectRef: { readonly uid: string } }
}

/** Answers with numbered tokens that live for `lifeMs`; an Error in `failures` is thrown instead, once each. */
function fakeClient(lifeMs: number, failures: Error[] = []): { client: KubeClient; asked: Asked[] } {
  const asked: Asked[] = []
  const post = (_resource: unknown, _name: unknown, _subresource: unknown, body: Asked): Promise<unknown> => {
    asked.push(body)
    const failure = failures.shift()
    if (failure !== undefined) return Promise.reject(failure)
    const expirationTimestamp = new Date(Date.now() + lifeMs).toISOString()
    return Promise.resolve({ status: { token: `token ${asked.length}`, expirationTimestamp } })
  }
  return { client: { post } as unknown as KubeClient, asked }
}

function pod(...sources: readonly TokenSource[]) {
  const list = sources.map((serviceAccountToken) => ({ serviceAccountToken }))
  return testPod({ volumes: [{ name: 'v', projected: { sources: list } }] })
}

test('each is asked for once, bound to the pod', async () => {
  const { client, asked } = fakeClient(3_600_000)
  const tokens = new ServiceAccountTokens(client, pod(HOUR, OTHER, { ...HOUR, path: 'again' }), () => {})
  await tokens.fetchAll()
  assert.deepEqual(
    asked.map(({ spec }) => [spec.audiences, spec.boundObjectRef.uid]),
    [
      [[], 'u-1'],
      [['vault'], 'u-1'],
    ],
  )
  await tokens.fetchAll()
  assert.equal(asked.length, 2, 'what is there is not asked for again')
  assert.match(tokens.token(OTHER), /^token 2$/)
  tokens.stop()
})

test('is renewed before its end', async () => {
  const { client } = fakeClient(100)
  let token = ''
  const renewed = new Promise<void>((resolve) => {
    const tokens = new ServiceAccountTokens(client, pod(HOUR), () => {
      token = tokens.token(HOUR)
      tokens.stop()
      resolve()
    })
    void tokens.fetchAll()
  })
  await renewed
  assert.equal(token, 'token 2')
})

test('that could not be had is asked for again', async () => {
  const { client } = fakeClient(3_600_000, [new Error('not now')])
  const tokens = new ServiceAccountTokens(client, pod(HOUR), () => {})
  await assert.rejects(tokens.fetchAll(), /not now/)
  assert.throws(() => tokens.token(HOUR), /not there yet/)
  await tokens.fetchAll()
  assert.equal(tokens.token(HOUR), 'token 2')
  tokens.stop()
})
