/**
 * A large cluster: from the start of the gateway until it is ready, what it holds then, and how long changes of endpoints
 * take from the bytes of their event until the last worker has them. The API server is one in memory, so that it is the
 * gateway that is measured.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, PROXY_CORE, type Started } from '../lab/lab.ts'
import { readMetrics } from '../lab/metrics-page.ts'
import { interleave, type Bench, type Scenario } from './bench.ts'

const INGRESSES = 10_000
const ENDPOINTS_PER_SERVICE = 5
const CHANGES = 2000
const RATE = 200
const WORKERS = 1
const SETTLE_MS = 2000
const TIMEOUT_MS = 120_000
const SERVER = fileURLToPath(new URL('../load/kube-server.ts', import.meta.url))
const TITLE = `a cluster of ${INGRESSES.toLocaleString('en-US')} Ingresses and Services and ${(INGRESSES * ENDPOINTS_PER_SERVICE).toLocaleString('en-US')} endpoints`

export const kubeSync: Scenario = {
  id: 'kube-sync',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = bench.ours.map(({ peer, program }) => ({ name: peer.name, program }))
    const rows = await interleave(bench, 'kube-sync', contestants, notes, ({ program }) =>
      measure(bench, program),
    )
    notes.push(
      `Changes: ${CHANGES.toLocaleString('en-US')} EndpointSlices at ${RATE} a second; the share of those within a bucket of the histogram.`,
    )
    return {
      id: 'kube-sync',
      title: TITLE,
      columns: [
        { key: 'readyMs', title: 'ms until ready', digits: 0 },
        { key: 'cpuMs', title: 'CPU ms', digits: 0 },
        { key: 'residentMegabytes', title: 'resident MB', digits: 0 },
        { key: 'controlMegabytes', title: 'heap of control MB', digits: 0 },
        { key: 'workerMegabytes', title: 'heap of a worker MB', digits: 0 },
        { key: 'meanMs', title: 'mean ms per change', digits: 2 },
        { key: 'within1', title: '% within 1 ms', digits: 1 },
        { key: 'within10', title: '% within 10 ms', digits: 2 },
      ],
      rows,
      notes,
    }
  },
}

async function measure(bench: Bench, program: string) {
  const { lab } = bench
  const server = lab.start('API server', {
    file: process.execPath,
    args: [SERVER, String(INGRESSES), String(ENDPOINTS_PER_SERVICE)],
    core: LOAD_CORE,
    hasChannel: true,
  })
  const [{ port }] = (await once(server.child, 'message')) as [{ port: number }]
  const internalPort = await lab.freePort()
  const begin = performance.now()
  const gateway = lab.start('gateway', {
    file: program,
    args: [
      'gateway',
      `--kubeconfig=${kubeconfig(lab.directory('kube-sync'), port)}`,
      `--workers=${WORKERS}`,
      `--entryPoints.web.address=127.0.0.1:${await lab.freePort()}`,
      `--entryPoints.traefik.address=127.0.0.1:${internalPort}`,
      '--metrics.prometheus',
      '--log.level=ERROR',
    ],
    core: PROXY_CORE,
  })
  try {
    const page = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${internalPort}${path}`)
    await lab.until(gateway, TIMEOUT_MS, 'is ready', () =>
      page('/ready').then(
        ({ status }) => status === 200,
        () => false,
      ),
    )
    const readyMs = performance.now() - begin
    const { cpuMicros } = gateway.use()
    await pause(SETTLE_MS)
    const { residentBytes } = gateway.use()
    const before = readMetrics(await (await page('/metrics')).text())
    await changeEndpoints(server)
    await pause(SETTLE_MS)
    const after = readMetrics(await (await page('/metrics')).text())
    const grown = (series: string): number => (after.get(series) ?? 0) - (before.get(series) ?? 0)
    const durations = 'sekisho_config_change_duration_seconds'
    const count = grown(`${durations}_count{kind="endpoints"}`)
    const within = (bound: string): number =>
      (100 * grown(`${durations}_bucket{kind="endpoints",le="${bound}"}`)) / count
    // Taken every few seconds: right after the start it is the one from before the sync.
    const heap = (worker: string): number =>
      (after.get(`sekisho_worker_heap_used_bytes{worker="${worker}"}`) ?? Number.NaN) / 1e6
    if (count === 0) throw new Error('no change arrived')
    return {
      readyMs,
      cpuMs: cpuMicros / 1000,
      residentMegabytes: residentBytes / 1e6,
      controlMegabytes: heap('control'),
      workerMegabytes: heap('0'),
      meanMs: (1000 * grown(`${durations}_sum{kind="endpoints"}`)) / count,
      within1: within('0.001'),
      within10: within('0.01'),
    }
  } finally {
    await Promise.all([gateway.stop(), server.stop()])
  }
}

async function changeEndpoints(server: Started): Promise<void> {
  const done = once(server.child, 'message')
  server.child.send({ changes: CHANGES, rate: RATE })
  await done
}

function kubeconfig(dir: string, port: number): string {
  const file = join(dir, 'kubeconfig.yaml')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'bench',
    clusters: [{ name: 'bench', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'bench', user: {} }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}
