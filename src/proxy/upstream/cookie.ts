/**
 * Looks for one cookie in a Cookie field (RFC 6265 §4.2.1, read leniently as servers do) without taking the field
 * apart. Used by sticky sessions and by hashing on a cookie.
 */

const SPACE = 0x20
const TAB = 0x09
const SEMICOLON = 0x3b
const EQUALS = 0x3d

/** Index of the first value of the cookie at or behind `from`, -1 when there is none. Names compare exactly. */
export function findCookie(field: string, name: string, from: number): number {
  let i = from
  while (i < field.length) {
    let code = field.charCodeAt(i)
    while (code === SPACE || code === TAB || code === SEMICOLON) code = field.charCodeAt(++i)
    if (field.charCodeAt(i + name.length) === EQUALS && field.startsWith(name, i)) return i + name.length + 1
    const next = field.indexOf(';', i)
    if (next === -1) return -1
    i = next + 1
  }
  return -1
}

/** Index behind the value that starts at `start`, white space before the `;` left out. */
export function cookieValueEnd(field: string, start: number): number {
  let end = field.indexOf(';', start)
  if (end === -1) end = field.length
  while (end > start) {
    const code = field.charCodeAt(end - 1)
    if (code !== SPACE && code !== TAB) break
    end--
  }
  return end
}
