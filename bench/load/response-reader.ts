/**
 * Finds the end of a response in what a load client reads: status, head, a body of Content-Length bytes. The peers and
 * the backend of the benchmarks send no other kind; any other is an error. Called by the rate client.
 */
const HEAD_END = Buffer.from('\r\n\r\n')
const MAX_HEAD_BYTES = 8192

export class HttpResponseReader {
  status = 0
  #bodyLeft = -1
  #head: Buffer[] = []
  #headBytes = 0

  reset(): void {
    this.status = 0
    this.#bodyLeft = -1
    if (this.#head.length > 0) this.#head = []
    this.#headBytes = 0
  }

  /** True when the response is complete. `length` bytes of `buffer` are valid and borrowed. */
  read(buffer: Buffer, length: number): boolean {
    if (this.#bodyLeft >= 0) {
      this.#bodyLeft -= length
      return this.#isComplete()
    }
    const bytes = this.#head.length === 0 ? buffer : this.#joined(buffer, length)
    const valid = this.#head.length === 0 ? length : bytes.length
    const end = bytes.indexOf(HEAD_END)
    if (end < 0 || end + HEAD_END.length > valid) {
      this.#keep(buffer, length)
      return false
    }
    const head = bytes.toString('latin1', 0, end)
    this.status = Number(head.slice(9, 12))
    const match = /\r\ncontent-length:\s*(\d+)/i.exec(head)
    if (match === null) throw new Error(`a response without Content-Length: ${head}`)
    this.#bodyLeft = Number(match[1]) - (valid - end - HEAD_END.length)
    return this.#isComplete()
  }

  #isComplete(): boolean {
    if (this.#bodyLeft < 0) throw new Error('more bytes than the response has')
    return this.#bodyLeft === 0
  }

  #joined(buffer: Buffer, length: number): Buffer {
    return Buffer.concat([...this.#head, buffer.subarray(0, length)])
  }

  #keep(buffer: Buffer, length: number): void {
    this.#headBytes += length
    if (this.#headBytes > MAX_HEAD_BYTES)
      throw new Error(`a response head of more than ${MAX_HEAD_BYTES} bytes`)
    this.#head.push(Buffer.from(buffer.subarray(0, length)))
  }
}
