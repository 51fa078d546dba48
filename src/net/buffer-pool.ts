/** Read buffers of one worker: one shared by all quiet connections, and own ones for connections in a long body. */
import type { MemoryBudget } from './budget.ts'

export const READ_BUFFER_BYTES = 65536
const MAX_FREE = 64

export class BufferPool {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  readonly #free: Buffer[] = []
  readonly #budget: MemoryBudget

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  take(): Buffer {
    this.#budget.charge(READ_BUFFER_BYTES)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  }

  give(buffer: Buffer): void {
    this.#budget.release(READ_BUFFER_BYTES)
    if (this.#free.length < MAX_FREE) this.#free.push(buffer)
  }
}
