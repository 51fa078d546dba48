/** Random requests that are near what rules say: half hits, half near misses. The same seed gives the same ones. */
import type { Random } from '../../fuzz/random.ts'

export interface RandomRequest {
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly authority: string
  /** Path and query as sent, latin1. */
  readonly target: string
}

const FOREIGN_HOSTS = [
  'nobody.example',
  'example',
  'a.b.nobody.test',
  '127.0.0.1',
  '[::1]',
  '[::FFFF:127.0.0.1]:80',
  'a_b.example',
  'a..example',
  '.a.example',
  'a.example:99999',
  'a.example:x',
  '-',
]
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'NONSENSE', 'TRACE']
const SEGMENTS = [
  'a',
  'b',
  'c',
  'ab',
  'A',
  'app',
  'x',
  'y',
  'z',
  '7',
  '42',
  'old',
  'a%20b',
  '%61',
  '%C3%A9',
  'a%2Fb',
  '..',
  '.',
  '%2e%2e',
  '',
  'a;v=1',
  '..;',
  'a.b',
  '%zz',
  'a%2f..%2fb',
  '%5C',
  'x%00',
  '~u',
  '%7eu',
]
const QUERIES = ['', '', '', '?', '?q=1', '?a//b', '?/../x', '?%zz', '?a?b', '?a=b&c="d"']

export function randomRequest(
  random: Random,
  hosts: readonly string[],
  paths: readonly string[],
): RandomRequest {
  return {
    scheme: random.once(3) ? 'https' : 'http',
    method: random.pick(METHODS),
    authority: authority(random, hosts),
    target: path(random, paths) + random.pick(QUERIES),
  }
}

function authority(random: Random, hosts: readonly string[]): string {
  if (hosts.length === 0 || random.once(12)) return random.pick(FOREIGN_HOSTS)
  let host = random.pick(hosts).replace('*', () => random.pick(['w', 'a', 'b', 'c', 'w.v', 'xn--w', '7']))
  if (random.once(6)) host = nearHost(random, host)
  if (random.once(8)) host = host.toUpperCase()
  if (random.once(10)) host += '.'
  if (random.once(8)) host += random.pick([':80', ':8080', ':443', ':', ':0', ':65535'])
  return host
}

function nearHost(random: Random, host: string): string {
  switch (random.below(5)) {
    case 0:
      return `sub.${host}`
    case 1:
      return host.slice(host.indexOf('.') + 1)
    case 2:
      return `x${host}`
    case 3:
      return `${host}x`
    default:
      return host.slice(0, -1)
  }
}

function path(random: Random, paths: readonly string[]): string {
  let text = random.once(5) || paths.length === 0 ? freePath(random) : likePath(random, random.pick(paths))
  for (let left = random.pick([0, 0, 1, 1, 2]); left > 0; left--) text = nearPath(random, text)
  if (random.once(60)) return random.pick(['/a\\b', '/a"b', '/a^b', '/a|b', '/\x7f', '/caf\xc3\xa9'])
  // What no URL can say is another test's matter.
  text = text.replaceAll(' ', '%20').replaceAll(/[?#]/g, '')
  return text.startsWith('/') ? text : `/${text}`
}

function freePath(random: Random): string {
  return Array.from({ length: 1 + random.below(4) }, () => `/${random.pick(SEGMENTS)}`).join('')
}

/** Something that a path of a rule may have meant; expressions are filled in. */
function likePath(random: Random, rule: string): string {
  return Buffer.from(rule, 'utf8')
    .toString('latin1')
    .replaceAll('(/|$)', () => random.pick(['/', '', '/']))
    .replaceAll('(.*)', () => random.pick(['', 'x', 'x/y', 'a%20b', 'x//y']))
    .replaceAll('.*', () => random.pick(['', 'x/y']))
    .replaceAll('[0-9]+', () => random.pick(['7', '42', '', 'x']))
    .replaceAll(/\((\w+)\|(\w+)\)/g, (_, one: string, other: string) => random.pick([one, other]))
    .replaceAll('/?', () => random.pick(['', '/']))
    .replaceAll('$', '')
}

function nearPath(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  switch (random.below(9)) {
    case 0:
      return `${text}/`
    case 1:
      return `${text}/${random.pick(SEGMENTS)}`
    case 2:
      return `${text}x`
    case 3:
      return text.length > 1 ? text.slice(0, -1) : text
    case 4:
      return text.toUpperCase()
    case 5:
      return text.replace('/', random.pick(['//', '/./', '/x/../']))
    case 6:
      return text.replace('a', random.pick(['%61', 'A', 'aa']))
    case 7:
      return text.slice(0, at) + random.pick(['x', '/', '%2F', '%20', '.', ';']) + text.slice(at)
    default:
      return text.replace(/\/[^/]*$/, '')
  }
}
