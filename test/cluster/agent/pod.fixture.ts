/** For tests: a pod with little written down. */
import type { Pod, PodSpec } from './pod.ts'

export function testPod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'u-1', ...metadata },
    spec: { containers: [{ name: 'main', image: 'backend' }], ...spec },
  }
}
