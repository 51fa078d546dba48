/** Builds DER elements (ITU-T X.690) bottom up. Called for self-signed certificates; trusted input, small output. */
import {
  CONSTRUCTED,
  TAG_BIT_STRING,
  TAG_BOOLEAN,
  TAG_CONTEXT,
  TAG_INTEGER,
  TAG_OBJECT_IDENTIFIER,
  TAG_OCTET_STRING,
  TAG_SEQUENCE,
  TAG_SET,
  TAG_UTF8_STRING,
} from './tags.ts'
import { timeText } from './time.ts'

/** One element: tag, length in the shortest form, content. */
export function element(tag: number, ...content: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of content) length += part.length
  return Buffer.concat([Buffer.from([tag]), lengthBytes(length), ...content])
}

export function sequence(...content: readonly Uint8Array[]): Buffer {
  return element(TAG_SEQUENCE, ...content)
}

/** A SET of one element; DER's order of several is not needed here. */
export function setOf(content: Uint8Array): Buffer {
  return element(TAG_SET, content)
}

/** Non-negative number, big-endian; zeros in front are dropped, and one is added where the sign bit would be set. */
export function integer(value: Uint8Array): Buffer {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  const bytes = value.length === 0 ? Uint8Array.of(0) : value.subarray(start)
  return (bytes[0] ?? 0) >= 0x80 ? element(TAG_INTEGER, Uint8Array.of(0), bytes) : element(TAG_INTEGER, bytes)
}

/** DER writes TRUE as 0xff; FALSE is a default in every place that needs it and is left out. */
export function booleanTrue(): Buffer {
  return element(TAG_BOOLEAN, Uint8Array.of(0xff))
}

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const at = bytes.length
    let value = arc
    do {
      bytes.splice(at, 0, (value & 0x7f) | (bytes.length === at ? 0 : 0x80))
      value = Math.floor(value / 128)
    } while (value > 0)
  }
  return element(TAG_OBJECT_IDENTIFIER, Buffer.from(bytes))
}

export function utf8String(text: string): Buffer {
  return element(TAG_UTF8_STRING, Buffer.from(text))
}

export function octetString(bytes: Uint8Array): Buffer {
  return element(TAG_OCTET_STRING, bytes)
}

/** A string of whole bytes, unless `unusedBits` of the last one do not count. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return element(TAG_BIT_STRING, Uint8Array.of(unusedBits), bytes)
}

/** UTCTime or GeneralizedTime, as RFC 5280 wants it for the year. */
export function time(ms: number): Buffer {
  const { tag, text } = timeText(ms)
  return element(tag, Buffer.from(text, 'latin1'))
}

/** `[number] EXPLICIT`. */
export function explicit(number: number, content: Uint8Array): Buffer {
  return element(TAG_CONTEXT | CONSTRUCTED | number, content)
}

/** `[number] IMPLICIT` of a primitive type. */
export function implicit(number: number, content: Uint8Array): Buffer {
  return element(TAG_CONTEXT | number, content)
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest & 255)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}
