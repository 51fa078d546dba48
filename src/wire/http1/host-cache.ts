/**
 * Host values that were found valid lately, by their bytes. A worker sees few hosts many times; for those it saves the check and the
 * slice, and the string it gives is always the same one, so that its hash is known to every map it is looked up in.
 * Bounded: one value for each slot, none longer than MAX_LENGTH. Clients can make entries miss, nothing else.
 */
import { latin1Slice } from '#lib/latin1.ts'

const SLOTS = 256
const MAX_LENGTH = 64

/** In each slot: length, then the bytes; a length of 0 is an empty slot. */
const bytes = new Uint8Array(SLOTS * (MAX_LENGTH + 1))
const texts: string[] = Array.from({ length: SLOTS }, () => '')

function slotOf(buffer: Uint8Array, start: number, end: number): number {
  const length = end - start
  const middle = start + (length >> 1)
  return (
    (length * 31 +
      buffer[start]! * 7 +
      buffer[middle - 1]! * 13 +
      buffer[middle]! * 3 +
      buffer[end - 1]! * 5) &
    (SLOTS - 1)
  )
}

/** The string of a value that was remembered, '' when it was not. */
export function rememberedHost(buffer: Uint8Array, start: number, end: number): string {
  const length = end - start
  if (length < 2 || length > MAX_LENGTH) return ''
  const slot = slotOf(buffer, start, end)
  const at = slot * (MAX_LENGTH + 1)
  if (bytes[at] !== length) return ''
  for (let i = 0; i < length; i++) if (bytes[at + 1 + i] !== buffer[start + i]) return ''
  return texts[slot]!
}

/** The string of a valid value, remembered for the next time. */
export function rememberHost(buffer: Buffer, start: number, end: number): string {
  const text = latin1Slice(buffer, start, end)
  const length = end - start
  if (length < 2 || length > MAX_LENGTH) return text
  const slot = slotOf(buffer, start, end)
  const at = slot * (MAX_LENGTH + 1)
  bytes[at] = length
  bytes.set(buffer.subarray(start, end), at + 1)
  texts[slot] = text
  return text
}
