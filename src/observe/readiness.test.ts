import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readiness } from './readiness.ts'

test('ready when every provider is synced and every listener bound', () => {
  const readiness = new Readiness()
  readiness.expectProvider('kubernetes')
  readiness.expectListener('web 0.0.0.0:80')
  assert.equal(readiness.isReady, false)
  readiness.providerSynced('kubernetes')
  assert.equal(readiness.isReady, false)
  readiness.listenerBound('web 0.0.0.0:80')
  assert.equal(readiness.isReady, true)
  assert.deepEqual(readiness.reasons(), [])
})

test('the reasons name what is missing', () => {
  const readiness = new Readiness()
  readiness.expectProvider('kubernetes')
  readiness.expectListener('web')
  readiness.expectListener('websecure')
  readiness.listenerFailed('web', 'address already in use')
  assert.deepEqual(readiness.reasons(), [
    { provider: 'kubernetes', reason: 'has not delivered its first configuration' },
    { listener: 'web', reason: 'address already in use' },
    { listener: 'websecure', reason: 'is not bound yet' },
  ])
})

test('a listener that fails later makes it unready until it is bound or no longer wanted', () => {
  const readiness = new Readiness()
  readiness.listenerFailed('web', 'no')
  assert.equal(readiness.isReady, false)
  readiness.forgetListener('web')
  assert.equal(readiness.isReady, true)
})

test('never ready again once it drains', () => {
  const readiness = new Readiness()
  assert.equal(readiness.isReady, true)
  readiness.drain()
  readiness.expectProvider('late')
  readiness.providerSynced('late')
  assert.equal(readiness.isReady, false)
  assert.equal(readiness.isDraining, true)
  assert.deepEqual(readiness.reasons(), [{ reason: 'is shutting down' }])
})
