/** Changes to HTTP/1.1 byte streams: blind ones, and ones that know lines, fields and chunks. Text is latin1. */
import type { Random } from './random.ts'

/** What has confused readers before. */
const FRAGMENTS: readonly string[] = [
  '\r\n', '\n', '\r', '\r\r\n', '\r\n\r\n', '\n\n', '\0', '\t', ' ', '  ', '\x0b', '\x0c', '\x7f', '\x80', '\xa0', '\xff',
  ':', ' :', ': ', ',', ';', '=', '"', '\\', '#', '?', '%', '_', '-', '@', '[', ']', '/', '*', '+',
  '0', '00', '5', 'a', 'f', '0x', '0\r\n\r\n', '5\r\nhello\r\n', ';ext="a;b"', ';a=b',
  'Host: b.example\r\n', 'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n',
  'Connection: close\r\n', 'Connection: upgrade, host\r\n', 'Upgrade: websocket\r\n', 'Expect: 100-continue\r\n', 'X_Forwarded_For: 1\r\n',
  'Transfer_Encoding: chunked\r\n', ' folded\r\n', ': empty\r\n', 'chunked', 'identity', 'close', 'keep-alive', '100-continue',
  'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.0', 'HTTP/1.1', 'HTTP/2.0', 'http://b.example/', 'CONNECT', 'OPTIONS', 'HEAD',
  '18446744073709551616', '9007199254740993', '-1', 'ffffffffffffffff', '[::1]:80', 'a.example',
] // prettier-ignore

export function mutate(text: string, other: string, random: Random): string {
  let result = text
  for (let count = 1 + random.below(4); count > 0; count--) result = mutateOnce(result, other, random)
  return result.length > 8192 ? result.slice(0, 8192) : result
}

function mutateOnce(text: string, other: string, random: Random): string {
  const at = random.below(text.length + 1)
  switch (random.below(12)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + random.below(4))
    case 3:
      return text.slice(0, at) + text.slice(at + random.below(text.length - at + 1))
    case 4:
      return text.slice(0, at) + other.slice(random.below(other.length + 1))
    case 5:
      return text.slice(0, at) + flipCase(text.charAt(at)) + text.slice(at + 1)
    case 6:
      return changeLine(text, random, (line) => line + line)
    case 7:
      return changeLine(text, random, () => '')
    case 8:
      return changeLine(text, random, (line) =>
        line.replace(':', random.pick([' :', ':\t', ': \x0b', '', ':\r\n '])),
      )
    case 9:
      return changeLine(text, random, (line) =>
        line.replace('\r\n', random.pick(['\n', '\r', '\r\r\n', ' \r\n', '\r\n '])),
      )
    case 10:
      return text.replace(/[0-9]+/g, (digits) =>
        random.once(3) ? random.pick(['0', '1', '7', '010', '99999999999']) : digits,
      )
    default:
      return changeLine(text, random, (line) => random.pick(FRAGMENTS) + line)
  }
}

/** ASCII letters only: upper case of some latin1 letters (ÿ, µ) is no latin1 any more. */
function flipCase(char: string): string {
  return /[A-Za-z]/.test(char) ? String.fromCharCode(char.charCodeAt(0) ^ 0x20) : char
}

function changeLine(text: string, random: Random, change: (line: string) => string): string {
  const lines = text.split(/(?<=\n)/)
  const index = random.below(lines.length)
  lines[index] = change(lines[index] ?? '')
  return lines.join('')
}
