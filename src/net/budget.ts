/**
 * Bytes that a worker holds outside V8's heap for its peers: write queues, read buffers of long bodies, heads and
 * bodies kept for a retry. Charged where they are allocated; above the limit new requests get 503 (architecture §4.1).
 */
export class MemoryBudget {
  limitBytes: number
  usedBytes = 0
  /** Requests refused because of it. */
  refused = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  charge(bytes: number): void {
    this.usedBytes += bytes
  }

  release(bytes: number): void {
    this.usedBytes -= bytes
  }

  get isExceeded(): boolean {
    return this.usedBytes > this.limitBytes
  }
}
