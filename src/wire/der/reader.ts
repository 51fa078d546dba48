/**
 * A cursor over DER elements (ITU-T X.690 §8 and §10). Called by the certificate reader. Strict: definite minimal
 * lengths and single-byte tags, as certificates use; nothing throws. What is wrong sets `isMalformed`, which stays
 * set, so a caller may read on and look once at the end.
 */

const NO_BYTES = Buffer.alloc(0)

export class DerReader {
  readonly bytes: Buffer
  /** The element that `next` went to. */
  tag = 0
  elementStart = 0
  contentStart = 0
  contentEnd = 0
  isMalformed = false
  #position: number
  readonly #end: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.#position = start
    this.#end = end
    this.contentEnd = start
  }

  get isAtEnd(): boolean {
    return this.#position === this.#end
  }

  /** Tag of the element that `next` would go to, -1 at the end. */
  get nextTag(): number {
    return this.#position < this.#end ? (this.bytes[this.#position] ?? -1) : -1
  }

  /** Goes to the next element; false at the end or when it is malformed. */
  next(): boolean {
    const { bytes } = this
    const start = this.#position
    if (start >= this.#end || this.isMalformed) return false
    const tag = bytes[start] ?? 0
    // The tag numbers from 31 on take more bytes; no certificate field has one.
    if ((tag & 31) === 31 || start + 2 > this.#end) return this.#fail()
    let length = bytes[start + 1] ?? 0
    let contentStart = start + 2
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f
      // §10.1: definite form, and the fewest bytes that hold the length.
      if (lengthBytes === 0 || lengthBytes > 4 || contentStart + lengthBytes > this.#end) return this.#fail()
      length = bytes.readUIntBE(contentStart, lengthBytes)
      if (length < 0x80 || bytes[contentStart] === 0) return this.#fail()
      contentStart += lengthBytes
    }
    if (length > this.#end - contentStart) return this.#fail()
    this.tag = tag
    this.elementStart = start
    this.contentStart = contentStart
    this.contentEnd = contentStart + length
    this.#position = this.contentEnd
    return true
  }

  /** Goes to the next element, which must have this tag. */
  expect(tag: number): boolean {
    if (this.nextTag !== tag) return this.#fail()
    return this.next()
  }

  /** Goes to the next element when it has this tag, otherwise stays. */
  optional(tag: number): boolean {
    return this.nextTag === tag && this.next()
  }

  /** A reader over the content of the present element. */
  enter(): DerReader {
    return new DerReader(this.bytes, this.contentStart, this.contentEnd)
  }

  /** Content of the present element, a view. */
  get content(): Buffer {
    return this.isMalformed ? NO_BYTES : this.bytes.subarray(this.contentStart, this.contentEnd)
  }

  /** The present element with its header, a view. */
  get element(): Buffer {
    return this.isMalformed ? NO_BYTES : this.bytes.subarray(this.elementStart, this.contentEnd)
  }

  #fail(): false {
    this.isMalformed = true
    return false
  }
}

/** Dotted form of an OBJECT IDENTIFIER's content, `''` when it is malformed or has arcs beyond 2^31. */
export function objectIdentifierText(content: Buffer): string {
  const arcs: number[] = []
  let arc = 0
  for (let i = 0; i < content.length; i++) {
    const byte = content[i] ?? 0
    if (arc === 0 && byte === 0x80) return ''
    if (arc > 0xffffff) return ''
    arc = arc * 128 + (byte & 0x7f)
    if ((byte & 0x80) !== 0) continue
    if (arcs.length === 0) {
      // X.690 §8.19.4: the first two arcs share a number.
      const first = Math.min(2, Math.floor(arc / 40))
      arcs.push(first, arc - first * 40)
    } else {
      arcs.push(arc)
    }
    arc = 0
  }
  return content.length === 0 || ((content.at(-1) ?? 0) & 0x80) !== 0 ? '' : arcs.join('.')
}
