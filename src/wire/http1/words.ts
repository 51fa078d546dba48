/**
 * Looking at four bytes at a time: field values, names and targets are most of a head, and a word costs little more than a byte. Used by
 * the head reader only. Every function here is a shortcut: it may say "look closer" about good bytes, never "good" about bad
 * ones, and the byte loops behind it decide.
 */

let viewedBuffer: Uint8Array | null = null
let viewedMemory: ArrayBufferLike | null = null
let view: DataView = new DataView(new ArrayBuffer(0))

/**
 * View of the whole memory below `buffer`: its byte 0 is at `buffer.byteOffset`. The last one is kept, because a worker reads nearly everything
 * from one buffer; `.buffer` is asked only for another one, since that is a call out of JavaScript.
 */
export function viewOf(buffer: Uint8Array): DataView {
  if (buffer !== viewedBuffer) {
    const memory = buffer.buffer
    if (memory !== viewedMemory) {
      viewedMemory = memory
      view = new DataView(memory)
    }
    viewedBuffer = buffer
  }
  return view
}

/** The four bytes of ASCII text as `getInt32(…, true)` gives them. */
export function wordOf(text: string): number {
  return (
    text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)
  )
}

/**
 * Passes over words without a control character or DEL; index of the first that has one, or that does not fit before `end`. In the difference a byte
 * below 0x20, or one equal to 0x7f, sets its top bit; a borrow can only make a later byte of the same word look bad.
 */
export function skipText(view: DataView, from: number, end: number): number {
  const last = end - 4
  let at = from
  while (at <= last) {
    const word = view.getInt32(at, true)
    if ((((word - 0x20202020) | ((word ^ 0x7f7f7f7f) - 0x01010101)) & ~word & TOP_BITS) !== 0) break
    at += 4
  }
  return at
}

/** The same for a request target: also stops at spaces, `#`, `?` and bytes from 0x80 on. */
export function skipTarget(view: DataView, from: number, end: number): number {
  const last = end - 4
  let at = from
  while (at <= last) {
    const word = view.getInt32(at, true)
    const bad =
      word |
      (word - 0x21212121) |
      ((word ^ 0x7f7f7f7f) - 0x01010101) |
      ((word ^ 0x23232323) - 0x01010101) |
      ((word ^ 0x3f3f3f3f) - 0x01010101)
    if ((bad & TOP_BITS) !== 0) break
    at += 4
  }
  return at
}

const TOP_BITS = 0x80808080 | 0

/** Sets bit 5 of four bytes: letters become lower case. `-` and digits stay; no other byte of a token or value becomes one of these three kinds. */
const LOWER_BITS = 0x20202020

/** A text of lower-case letters, digits and `-`, at least four long, to be found in bytes of a token or field value. */
export class LowerWords {
  readonly length: number
  readonly words: Int32Array

  constructor(text: string) {
    this.length = text.length
    // Whole words, then the last four bytes, which may overlap the word before.
    const count = text.length >> 2
    this.words = new Int32Array(count + 1)
    for (let i = 0; i < count; i++) this.words[i] = wordOf(text.slice(i * 4, i * 4 + 4))
    this.words[count] = wordOf(text.slice(-4))
  }

  /** True when the bytes at `at` are this text in any case; all of `length` must be within the view. */
  matches(view: DataView, at: number): boolean {
    const words = this.words
    const count = words.length - 1
    for (let i = 0; i < count; i++) {
      if ((view.getInt32(at + i * 4, true) | LOWER_BITS) !== words[i]) return false
    }
    return (view.getInt32(at + this.length - 4, true) | LOWER_BITS) === words[count]
  }
}
