/**
 * Which error a byte is that may not stand where the head reader found it. Off the fast path; the byte alone decides, so that the
 * result does not depend on how the head was split.
 */
import { COLON, CR, LF, SPACE, TAB } from './char-class.ts'
import {
  E_BAD_METHOD,
  E_BAD_NAME,
  E_BAD_TARGET,
  E_BAD_VERSION,
  E_BARE_LF,
  E_EMPTY_NAME,
  E_MISSING_COLON,
  E_OBS_FOLD,
  E_REQUEST_LINE_SPACE,
  E_SPACE_BEFORE_COLON,
  E_TARGET_FRAGMENT,
} from './codes.ts'

const HASH = 0x23

export function methodError(byte: number): number {
  if (byte === SPACE || byte === TAB) return E_REQUEST_LINE_SPACE
  return byte === LF ? E_BARE_LF : E_BAD_METHOD
}

export function targetError(byte: number): number {
  if (byte === SPACE || byte === TAB) return E_REQUEST_LINE_SPACE
  if (byte === LF) return E_BARE_LF
  // `GET /` alone: HTTP/0.9.
  if (byte === CR) return E_BAD_VERSION
  return byte === HASH ? E_TARGET_FRAGMENT : E_BAD_TARGET
}

export function versionError(byte: number, offset: number): number {
  if (offset === 0 && (byte === SPACE || byte === TAB)) return E_REQUEST_LINE_SPACE
  return byte === LF ? E_BARE_LF : E_BAD_VERSION
}

/** Behind the version of a request line. */
export function lineEndError(byte: number): number {
  if (byte === SPACE || byte === TAB) return E_REQUEST_LINE_SPACE
  return byte === LF ? E_BARE_LF : E_BAD_VERSION
}

export function fieldStartError(byte: number): number {
  if (byte === SPACE || byte === TAB) return E_OBS_FOLD
  if (byte === LF) return E_BARE_LF
  return byte === COLON ? E_EMPTY_NAME : E_BAD_NAME
}

export function nameEndError(byte: number): number {
  if (byte === SPACE || byte === TAB) return E_SPACE_BEFORE_COLON
  if (byte === CR) return E_MISSING_COLON
  return byte === LF ? E_BARE_LF : E_BAD_NAME
}
