/**
 * A gateway that starts in front of many Ingresses, at an API server that takes its time: it says that it is ready, and accepts
 * connections of clients, when it has everything, and not before.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ApiDetour } from './api-detour.ts'
import { ask } from './ask.ts'
import { Authority } from './authority.ts'
import { Cluster } from './cluster.ts'
import { OutsideGateway } from './outside-gateway.ts'
import { ENDPOINT_SLICES, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES } from './resources.ts'

const NAMESPACE = 'default'
/** More than are handed out in one piece. */
const INGRESSES_COUNT = 2500
/** The first of them, each with a Secret of its own. */
const SECURE = 20
/** Of the API server, for each piece in each direction. */
const DELAY_MS = 150
/** Requests under way while objects are made, or asked for. */
const AT_A_TIME = 24

describe('a gateway that starts', { timeout: 180_000 }, () => {
  const authority = new Authority('ready')
  let directory: string
  let cluster: Cluster
  let detour: ApiDetour
  let backend: Server
  let kubeconfig: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sekisho-ready-'))
    cluster = await Cluster.start({ nodes: 0 })
    detour = await ApiDetour.open(cluster)
    kubeconfig = join(directory, 'kubeconfig')
    await writeFile(kubeconfig, detour.kubeconfig())
    backend = createServer((_request, response) => response.end('here\n')).listen(0, cluster.outside[0])
    await once(backend, 'listening')
    const { port } = backend.address() as AddressInfo
    const { client } = cluster
    const spec = { controller: 'sekisho.dev/ingress-controller' }
    await client.create(INGRESS_CLASSES, { ...named('edge', { spec }), metadata: { name: 'edge' } })
    const ports = [{ port: 80, targetPort: port, protocol: 'TCP' }]
    await client.create(SERVICES, named('web', { spec: { clusterIP: 'None', ports } }))
    await client.create(ENDPOINT_SLICES, slice(cluster.outside[0], port))
    await each(INGRESSES_COUNT, async (index) => {
      await client.create(INGRESSES, ingress(index))
      if (index >= SECURE) return
      const { certificate, key } = authority.server(host(index), [host(index)])
      const stringData = { 'tls.crt': certificate, 'tls.key': key }
      await client.create(SECRETS, named(`tls-${index}`, { type: 'kubernetes.io/tls', stringData }))
    })
  })
  after(async () => {
    backend?.close()
    backend?.closeAllConnections()
    await detour?.[Symbol.asyncDispose]()
    await cluster?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  it('is not ready, and takes nobody in, before it has everything', async () => {
    detour.delayMs = DELAY_MS
    await using gateway = await OutsideGateway.start({ kubeconfig, workers: 2, isReadyAwaited: false })
    const ready = new AbortController()
    const early: number[] = []
    // Knocks for the last of them; the kernel keeps the connections until somebody accepts them.
    const knocking = (async () => {
      while (!ready.signal.aborted) {
        const { status } = await ask({
          address: '127.0.0.1',
          port: gateway.web,
          host: host(INGRESSES_COUNT - 1),
        })
        early.push(status)
      }
    })()
    const reasons = new Set<string>()
    let refusals = 0
    while (!ready.signal.aborted) {
      const { status, body } = await gateway.ask('/ready')
      if (status === 200) ready.abort()
      else {
        assert.equal(status, 503)
        refusals++
        for (const [reason] of body.matchAll(/waits for [^"\n:]+/g)) reasons.add(reason)
      }
    }
    const wrong: string[] = []
    const started = performance.now()
    await each(INGRESSES_COUNT, async (index) => {
      const { status, body } = await ask({ address: '127.0.0.1', port: gateway.web, host: host(index) })
      if (status !== 200 || body !== 'here\n') wrong.push(`${host(index)}: ${status}`)
    })
    assert.deepEqual(wrong, [])
    await each(SECURE, async (index) => {
      const { status } = await ask({
        address: '127.0.0.1',
        port: gateway.websecure,
        host: host(index),
        authority: authority.certificate,
      })
      assert.equal(status, 200)
    })
    await knocking
    console.log(
      `not ready ${refusals} times (${[...reasons].join(', ')}); then all of ${INGRESSES_COUNT} Ingresses answered within ${Math.round(performance.now() - started)} ms`,
    )
    assert.ok(refusals > 1, 'it was asked before it was ready')
    assert.ok([...reasons].some((reason) => reason.startsWith('waits for the first list of')))
    assert.ok(early.length > 0)
    assert.deepEqual(
      early.filter((status) => status !== 200),
      [],
      'whoever came early waited',
    )
  })
})

function host(index: number): string {
  return `host-${index}.example`
}

function named<T extends object>(
  name: string,
  fields: T,
): T & { metadata: { name: string; namespace: string } } {
  return { metadata: { name, namespace: NAMESPACE }, ...fields }
}

function ingress(index: number) {
  const backend = { service: { name: 'web', port: { number: 80 } } }
  const tls = index < SECURE ? [{ hosts: [host(index)], secretName: `tls-${index}` }] : []
  const rules = [{ host: host(index), http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }]
  return named(`web-${index}`, { spec: { ingressClassName: 'edge', tls, rules } })
}

function slice(address: string, port: number) {
  return {
    metadata: { name: 'web-1', namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  }
}

/** In order, some at a time. */
async function each(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const line = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, line))
}
