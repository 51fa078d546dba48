/**
 * Text that others chose (clients, backends, file names) on its way into a log line: nobody may end a line, forge
 * a field or move a terminal's cursor, and no value may be longer than its bound. Used by the log and the access log.
 */

/** Longest value in a log line, in characters; the rest is replaced by how much it was. */
export const MAX_VALUE_CHARS = 8192

const HEX = '0123456789abcdef'

/**
 * For latin1 text (bytes as they came on the wire) between quotes or spaces: CR, LF and other control
 * characters, quotes, backslashes and everything outside ASCII become `\xHH`. Never returns anything but
 * printable ASCII.
 */
export function escapeBytes(text: string): string {
  const value = text.length > MAX_VALUE_CHARS ? text.slice(0, MAX_VALUE_CHARS) : text
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return markCut(hexFrom(value, i), text)
  }
  return value === text ? text : markCut(value, text)
}

function hexFrom(value: string, first: number): string {
  let out = value.slice(0, first)
  for (let i = first; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code >= 0x20 && code <= 0x7e && code !== 0x22 && code !== 0x5c) out += value[i]
    else if (code <= 0xff) out += `\\x${HEX[code >> 4]}${HEX[code & 15]}`
    else out += `\\u${code.toString(16).padStart(4, '0')}`
  }
  return out
}

function markCut(value: string, original: string): string {
  if (original.length <= MAX_VALUE_CHARS) return value
  return `${value}...[${original.length - MAX_VALUE_CHARS} more]`
}

/** A JSON string, quotes included, in ASCII only, of latin1 text whose bytes usually are UTF-8. */
export function jsonBytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return jsonSlow(text)
  }
  return text.length > MAX_VALUE_CHARS ? jsonSlow(text) : `"${text}"`
}

function jsonSlow(text: string): string {
  const value = text.length > MAX_VALUE_CHARS ? text.slice(0, MAX_VALUE_CHARS) : text
  const bytes = Buffer.from(value, 'latin1')
  const decoded = bytes.toString('utf8')
  // Not UTF-8: every byte stands for itself, so that nothing is lost and the line stays valid JSON.
  const shown = decoded.includes('\ufffd') ? value : decoded
  return asciiOnly(JSON.stringify(markCut(shown, text)))
}

/** A JSON string of ordinary text (UTF-16), control characters escaped and bounded, not restricted to ASCII. */
export function jsonText(text: string): string {
  const value = text.length > MAX_VALUE_CHARS ? text.slice(0, MAX_VALUE_CHARS) : text
  return JSON.stringify(markCut(value, text).replace(CONTROLS_BEYOND_JSON, escapeControl))
}

/** Ordinary text with control characters (line and direction changes of Unicode too) made visible. */
export function visibleText(text: string): string {
  const value = text.length > MAX_VALUE_CHARS ? text.slice(0, MAX_VALUE_CHARS) : text
  return markCut(value.replace(CONTROLS, escapeControl), text)
}

// C0, DEL, C1, the line separators and the bidirectional controls that can reorder a line on a terminal.
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const CONTROLS_BEYOND_JSON = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

function escapeControl(char: string): string {
  const code = char.charCodeAt(0)
  if (code === 0x0a) return '\\n'
  if (code === 0x0d) return '\\r'
  if (code === 0x09) return '\\t'
  return code <= 0xff ? `\\x${HEX[code >> 4]}${HEX[code & 15]}` : `\\u${code.toString(16).padStart(4, '0')}`
}

function asciiOnly(json: string): string {
  let out = ''
  let from = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code <= 0x7e) continue
    out += `${json.slice(from, i)}\\u${code.toString(16).padStart(4, '0')}`
    from = i + 1
  }
  return from === 0 ? json : out + json.slice(from)
}
