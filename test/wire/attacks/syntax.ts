/** Lines, names, values, request lines and limits of a request (RFC 9112 §§2, 3, 5; RFC 9110 §5). */
import { Group, HOST, SMUGGLED, get, type AttackCase } from './case.ts'

const bareLf = new Group('client', 'bare-lf')
  .reject('a whole head of LF lines', 'bare-lf', 'GET / HTTP/1.1\nHost: a.example\n\n')
  .reject('request line', 'bare-lf', `GET / HTTP/1.1\n${HOST}\r\n`)
  .reject('one field line', 'bare-lf', get('A: b\nC: d\r\n'))
  .reject('inside of a name', 'bare-lf', get('A\nB: c\r\n'))
  .reject('the empty line', 'bare-lf', `GET / HTTP/1.1\r\n${HOST}\n${SMUGGLED}`)
  .reject('LF CR instead of CR LF', 'bare-lf', 'GET / HTTP/1.1\n\rHost: a.example\n\r\n\r')
  .reject('in front of the request', 'bare-lf', `\n${get()}`)
  .reject('inside of the target', 'bare-lf', get('', '/a\nb'))

const bareCr = new Group('client', 'bare-cr')
  .reject('request line', 'bare-cr', `GET / HTTP/1.1\r${HOST}\r\n`)
  .reject('inside of a value', 'bare-cr', get('A: b\rC: d\r\n'))
  .reject('CR CR LF', 'bare-cr', get('A: b\r\r\n'))
  .reject('the empty line', 'bare-cr', `GET / HTTP/1.1\r\n${HOST}\r${SMUGGLED}`)
  .reject('inside of a name', 'missing-colon', get('A\rB: c\r\n'))
  .reject('inside of the target', 'bad-version', get('', '/a\rb'))
  .reject('in front of the request', 'bare-cr', `\r${get()}`)

const obsFold = new Group('client', 'obs-fold')
  .reject('space', 'obs-fold', get('A: b\r\n c\r\n'))
  .reject('tab', 'obs-fold', get('A: b\r\n\tc\r\n'))
  .reject('before the first field', 'obs-fold', `GET / HTTP/1.1\r\n ${HOST}\r\n`)
  .reject('a line of white space only', 'obs-fold', get('A: b\r\n \r\n'))
  .reject('hides a field', 'obs-fold', get('A: b\r\n Host: b.example\r\n'))

const fieldName = new Group('client', 'field-name')
  .reject('space before the colon', 'space-before-colon', get('A : b\r\n'))
  .reject('tab before the colon', 'space-before-colon', get('A\t: b\r\n'))
  .reject('space inside', 'space-before-colon', get('A B: c\r\n'))
  .reject('empty', 'empty-name', get(': b\r\n'))
  .reject('no colon', 'missing-colon', get('abc\r\n'))
  .reject('no colon, the next line has one', 'missing-colon', get('abc\r\nA: b\r\n'))
  .reject('non-ASCII', 'bad-name', get('\xc4: b\r\n'))
  .reject('NUL', 'bad-name', get('A\0: b\r\n'))
  .reject('DEL', 'bad-name', get('A\x7f: b\r\n'))
  .reject('bracket', 'bad-name', get('A[]: b\r\n'))
  .reject('quote', 'bad-name', get('"A": b\r\n'))
  .reject('slash', 'bad-name', get('A/B: c\r\n'))
  .reject('vertical tab before the colon', 'bad-name', get('A\x0b: b\r\n'))
  .accept('every other token character', get("!#$%&'*+-.^_`|~09azAZ: b\r\n"))
  .accept('empty value', get('A:\r\nB: \t \r\n'))

const fieldValue = new Group('client', 'header-injection')
for (let byte = 0; byte < 0x20; byte++) {
  if (byte === 0x09 || byte === 0x0a || byte === 0x0d) continue
  fieldValue.reject(`control character ${byte}`, 'bad-value', get(`A: b${String.fromCharCode(byte)}c\r\n`))
}
fieldValue
  .reject('DEL', 'bad-value', get('A: b\x7fc\r\n'))
  .reject('NUL at the end of a long value', 'bad-value', get(`A: ${'b'.repeat(1001)}\0\r\n`))
  .accept('tab and obs-text', get('A: b\tc \x80\xff\r\n'))
  .accept('percent-encoded line ends stay text', get('A: b%0d%0aC: d\r\n', '/%0d%0aC:%20d'))
  .accept('characters that a cut to eight bits would make CR LF', get('A: \xc4\x8d\xc4\x8a\r\n'))

const requestLine = new Group('client', 'request-line')
  .reject('two spaces behind the method', 'request-line-space', `GET  / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('two spaces before the version', 'request-line-space', `GET /  HTTP/1.1\r\n${HOST}\r\n`)
  .reject('tab behind the method', 'request-line-space', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`)
  .reject('tab before the version', 'request-line-space', `GET /\tHTTP/1.1\r\n${HOST}\r\n`)
  .reject('leading space', 'request-line-space', ` GET / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('trailing space', 'request-line-space', `GET / HTTP/1.1 \r\n${HOST}\r\n`)
  .reject('space in the target', 'bad-version', `GET /a b HTTP/1.1\r\n${HOST}\r\n`)
  .reject('a second version in the target', 'bad-version', `GET /a HTTP/1.1/../b HTTP/1.1\r\n${HOST}\r\n`)
  .reject('vertical tab as a space', 'bad-method', `GET\x0b/ HTTP/1.1\r\n${HOST}\r\n`)
  .reject('non-breaking space as a space', 'bad-method', `GET\xa0/ HTTP/1.1\r\n${HOST}\r\n`)
  .reject('no target', 'bad-version', `GET HTTP/1.1\r\n${HOST}\r\n`)
  .reject('two empty lines in front', 'bad-method', `\r\n\r\n${get()}`)
  .accept('one empty line in front', `\r\n${get()}`)

const method = new Group('client', 'method')
  .reject('brackets', 'bad-method', `G[]T / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('NUL', 'bad-method', `GE\0T / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('colon', 'bad-method', `GET: / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('non-ASCII', 'bad-method', `G\xcbT / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('none', 'request-line-space', ` / HTTP/1.1\r\n${HOST}\r\n`)
  .reject('field line in front', 'bad-method', `A: b\r\n${get()}`)
  .accept('an unknown one', `M-SEARCH / HTTP/1.1\r\n${HOST}\r\n`)
  .accept('case matters: get is not GET', `get / HTTP/1.1\r\n${HOST}\r\n`)
  .accept('TRACE is answered by the gateway', `TRACE / HTTP/1.1\r\n${HOST}\r\n`, {
    isAnsweredByGateway: true,
  })

const version = new Group('client', 'version')
for (const [name, text, code] of [
  ['lower case', 'http/1.1', 'bad-version'],
  ['2.0', 'HTTP/2.0', 'unsupported-version'],
  ['0.9', 'HTTP/0.9', 'unsupported-version'],
  ['3.1', 'HTTP/3.1', 'unsupported-version'],
  ['1.2', 'HTTP/1.2', 'bad-version'],
  ['1.10', 'HTTP/1.10', 'bad-version'],
  ['01.1', 'HTTP/01.1', 'bad-version'],
  ['no minor', 'HTTP/1', 'bad-version'],
  ['no dot', 'HTTP/11', 'bad-version'],
  ['comma', 'HTTP/1,1', 'bad-version'],
  ['other protocol', 'HTTPS/1.1', 'bad-version'],
  ['space inside', 'HTTP /1.1', 'bad-version'],
  ['sign', 'HTTP/+1.1', 'bad-version'],
  ['its start twice', 'HTHTTP/1.1', 'bad-version'],
  ['twice', 'HTTP/1.1HTTP/1.1', 'bad-version'],
] as const) {
  version.reject(name, code, `GET / ${text}\r\n${HOST}\r\n`)
}
version
  .reject('none: HTTP/0.9', 'bad-version', `GET /\r\n${HOST}\r\n`)
  .reject('the preface of HTTP/2', 'unsupported-version', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  .close('1.0', `GET / HTTP/1.0\r\n${HOST}\r\n`)

const foreign = new Group('client', 'foreign-protocol')
  .reject('a TLS ClientHello', 'bad-method', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
  .reject(
    'a PROXY header from a peer that is not trusted',
    'bad-version',
    `PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n${get()}`,
  )
  .reject('a PROXY header of version 2', 'bad-method', `\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c${get()}`)
  .reject('a response', 'bad-method', `HTTP/1.1 200 HTTP/1.1\r\n${HOST}\r\n`)

const limits = new Group('client', 'oversized')
  .reject('target of 64 KiB', 'start-line-too-long', get('', `/${'a'.repeat(65536)}`))
  .reject('method of 64 KiB', 'start-line-too-long', 'A'.repeat(65537))
  .reject('one field of 64 KiB', 'head-too-large', get(`A: ${'b'.repeat(65536)}\r\n`))
  .reject('a name of 64 KiB', 'head-too-large', get(`${'a'.repeat(65536)}: b\r\n`))
  .reject('many fields of 1 kB', 'head-too-large', get(`A: ${'b'.repeat(1000)}\r\n`.repeat(66)))
  .reject('101 fields', 'too-many-fields', get('A: b\r\n'.repeat(100)))
  .reject('a million colons', 'too-many-fields', get('a:\r\n'.repeat(20000)))
  .reject('white space without end', 'head-too-large', get(`A:${' '.repeat(65536)}`))
  .accept('100 fields', get('A: b\r\n'.repeat(99)))
  .accept('a field of 32 kB', get(`A: ${'b'.repeat(32768)}\r\n`))

export const SYNTAX: readonly AttackCase[] = [
  bareLf,
  bareCr,
  obsFold,
  fieldName,
  fieldValue,
  requestLine,
  method,
  version,
  foreign,
  limits,
].flatMap((group) => group.cases)
