/**
 * Reads a manifest file whole and decodes it: UTF-8, with or without a byte order mark, or the UTF-16 that PowerShell's
 * redirection writes. Reading is synchronous: a manifest is small, local, and needed at once. Never blocks on a pipe or
 * device, never reads more than the bound.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Largest manifest file, in bytes. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024

export type FileText =
  /** Line ends are `\n`. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly message: string; readonly hint: string }

export function readFileText(path: string, maxBytes = MAX_FILE_BYTES): FileText {
  let bytes: Buffer
  try {
    const read = readBytes(path, maxBytes)
    if (!Buffer.isBuffer(read)) return read
    bytes = read
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' }
    return unreadable(`cannot be read: ${code ?? String(error)}`, 'check the permissions of the file')
  }
  const text = decode(bytes)
  if (text === undefined) return unreadable('is neither UTF-8 nor UTF-16 text', 'save it as UTF-8')
  return { kind: 'text', text: text.includes('\r') ? text.replaceAll('\r\n', '\n') : text }
}

function readBytes(path: string, maxBytes: number): Buffer | FileText {
  // Opening a pipe for reading waits for a writer unless told not to.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return unreadable('is not a regular file', 'give files and directories only')
    // One byte more than it should have shows whether it has grown.
    let bytes = Buffer.allocUnsafe(Math.min(stat.size, maxBytes) + 1)
    let length = 0
    for (;;) {
      const count = readSync(file, bytes, length, bytes.length - length, length)
      if (count === 0) return bytes.subarray(0, length)
      length += count
      if (length > maxBytes) {
        return unreadable(`is larger than ${maxBytes} bytes`, 'split it into several files')
      }
      if (length === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(length)])
    }
  } finally {
    closeSync(file)
  }
}

function decode(bytes: Buffer): string | undefined {
  const first = bytes[0]
  const second = bytes[1]
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  try {
    // Drops the byte order mark, refuses what is not of the encoding.
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

function unreadable(message: string, hint: string): FileText {
  return { kind: 'unreadable', message, hint }
}
