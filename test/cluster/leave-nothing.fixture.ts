/** For leave-nothing.test.ts, as a process of its own: starts a cluster with a running pod, says where it is, and stays. */
import { Cluster } from './cluster.ts'

const cluster = await Cluster.start({ nodes: 1 })
const metadata = { namespace: 'default', name: 'pod' }
await cluster.objects.apply([
  { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'pause', image: 'pause' }] } },
])
await cluster.objects.waitForPod(metadata)
process.stdout.write(`${JSON.stringify({ pid: cluster.pid, number: cluster.number })}\n`)
