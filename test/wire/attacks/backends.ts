/** What a backend may send, and what it is cut off for (RFC 9112 §§4, 6, 7, 8, 11.1). */
import { Group, ok, type AttackCase } from './case.ts'

const LAST = '0\r\n\r\n'
/** A second response that nobody asked for. */
const SPLIT = ok('Content-Length: 4\r\n', 'evil')

const statusLine = new Group('backend', 'status-line')
for (const [name, line, code] of [
  ['lower case', 'http/1.1 200 OK', 'bad-version'],
  ['other protocol', 'ICY 200 OK', 'bad-version'],
  ['HTTP/2', 'HTTP/2.0 200 OK', 'unsupported-version'],
  ['HTTP/0.9', 'HTTP/0.9 200 OK', 'unsupported-version'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK', 'bad-version'],
  ['leading space', ' HTTP/1.1 200 OK', 'request-line-space'],
  ['two spaces', 'HTTP/1.1  200 OK', 'bad-status-line'],
  ['tab', 'HTTP/1.1\t200 OK', 'bad-status-line'],
  ['two digits', 'HTTP/1.1 20 OK', 'bad-status-line'],
  ['four digits', 'HTTP/1.1 2000 OK', 'bad-status-line'],
  ['below 100', 'HTTP/1.1 099 OK', 'bad-status-line'],
  ['sign', 'HTTP/1.1 +20 OK', 'bad-status-line'],
  ['letters', 'HTTP/1.1 2OO OK', 'bad-status-line'],
  ['no status', 'HTTP/1.1', 'bad-status-line'],
  ['control character in the reason', 'HTTP/1.1 200 O\x01K', 'bad-status-line'],
  ['NUL in the reason', 'HTTP/1.1 200 \0', 'bad-status-line'],
  ['lone CR in the reason', 'HTTP/1.1 200 OK\rSet-Cookie: a=b', 'bare-cr'],
] as const) {
  statusLine.reject(name, code, `${line}\r\nContent-Length: 0\r\n\r\n`)
}
statusLine
  .reject('no head at all', 'bad-version', '<html></html>')
  .reject('an empty line in front', 'bad-version', `\r\n${ok('Content-Length: 0\r\n')}`)
  .accept('empty reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n')
  .accept('no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n')
  .accept('obs-text in the reason', 'HTTP/1.1 404 nicht d\xe4\tx\r\nContent-Length: 0\r\n\r\n')
  .accept('an unusual status', 'HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n')

const framing = new Group('backend', 'response-framing')
for (const [name, lines, code] of [
  ['both lengths', 'Content-Length: 5\r\nTransfer-Encoding: chunked', 'both-lengths'],
  ['both lengths, other order', 'Transfer-Encoding: chunked\r\nContent-Length: 0', 'both-lengths'],
  ['equal lengths', 'Content-Length: 5\r\nContent-Length: 5', 'duplicate-content-length'],
  ['different lengths', 'Content-Length: 5\r\nContent-Length: 6', 'duplicate-content-length'],
  ['list of lengths', 'Content-Length: 5, 5', 'bad-content-length'],
  ['signed length', 'Content-Length: +5', 'bad-content-length'],
  ['empty length', 'Content-Length:', 'bad-content-length'],
  ['length beyond 2^53', 'Content-Length: 99999999999999999999', 'content-length-too-large'],
  ['unknown coding', 'Transfer-Encoding: gzip, chunked', 'unsupported-transfer-encoding'],
  ['identity', 'Transfer-Encoding: identity', 'bad-transfer-encoding'],
  [
    'chunked twice',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'duplicate-transfer-encoding',
  ],
  ['chunked twice in a list', 'Transfer-Encoding: chunked, chunked', 'bad-transfer-encoding'],
  ['vertical tab', 'Transfer-Encoding: \x0bchunked', 'bad-value'],
  ['underscore', 'Transfer_Encoding: chunked', 'framing-name-variant'],
] as const) {
  framing.reject(name, code, ok(`${lines}\r\n`, `hello${LAST}`))
}
framing
  .reject(
    'chunked in HTTP/1.0',
    'transfer-encoding-in-http10',
    `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}`,
  )
  .accept('length', ok('Content-Length: 5\r\n', 'hello'), { body: 'hello' })
  .accept(
    'chunked with a trailer',
    ok('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n'),
    { body: 'hello' },
  )
  .close('neither: until the connection ends', ok('', 'hello'), { body: 'hello' })

const lines = new Group('backend', 'response-lines')
for (const [name, text, code] of [
  ['lone LF', 'A: b\nC: d\r\n', 'bare-lf'],
  ['lone CR', 'A: b\rC: d\r\n', 'bare-cr'],
  ['folded', 'A: b\r\n c\r\n', 'obs-fold'],
  ['space before the colon', 'A : b\r\n', 'space-before-colon'],
  ['empty name', ': b\r\n', 'empty-name'],
  ['no colon', 'abc\r\n', 'missing-colon'],
  ['NUL', 'A: \0\r\n', 'bad-value'],
  ['DEL', 'A: \x7f\r\n', 'bad-value'],
  ['non-ASCII name', '\xc4: b\r\n', 'bad-name'],
  ['bad Connection', 'Connection: a b\r\n', 'bad-connection'],
] as const) {
  lines.reject(name, code, ok(`${text}Content-Length: 5\r\n`, 'hello'))
}
lines
  .reject('a head of LF lines', 'bare-lf', 'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello')
  .accept('obs-text', ok('A: \x80\xff\r\nContent-Length: 5\r\n', 'hello'))
  .accept(
    'a Host field means nothing here',
    ok('Host: a b\r\nHost: c\r\nExpect: x\r\nContent-Length: 5\r\n', 'hello'),
  )

const chunks = new Group('backend', 'response-chunks')
for (const [name, body, code] of [
  ['signed size', `+5\r\nhello\r\n${LAST}`, 'bad-chunk-size'],
  ['size with 0x', `0x5\r\nhello\r\n${LAST}`, 'bad-chunk-size'],
  ['size with a space', `5 \r\nhello\r\n${LAST}`, 'bad-chunk-extension'],
  ['size beyond 2^53', `fffffffffffffff0\r\nhello\r\n${LAST}`, 'chunk-too-large'],
  ['LF lines', '5\nhello\n0\n\n', 'bare-lf'],
  ['LF in an extension', `5;a\nb\r\nhello\r\n${LAST}`, 'bare-lf'],
  ['a response as a trailer', `0\r\n${SPLIT}`, 'bad-name'],
  ['folded trailer', '0\r\nA: b\r\n c\r\n\r\n', 'obs-fold'],
] as const) {
  chunks.reject(name, code, ok('Transfer-Encoding: chunked\r\n', body))
}
chunks.reject(
  'data without end',
  'bad-chunk-end',
  ok('Transfer-Encoding: chunked\r\n', `5\r\nhello${LAST}`),
  { body: 'hello' },
)

const splitting = new Group('backend', 'response-splitting')
  .close('a second response behind a counted one', ok('Content-Length: 5\r\n', `hello${SPLIT}`), {
    body: 'hello',
  })
  .close('a second response behind a chunked one', ok('Transfer-Encoding: chunked\r\n', LAST + SPLIT), {
    body: '',
  })
  .close('a second response behind an empty one', ok('Content-Length: 0\r\n', SPLIT), { body: '' })
  .close('a body that answers HEAD', ok('Content-Length: 5\r\n', 'hello'), { method: 'HEAD', body: '' })
  .close('a body behind 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello', { body: '' })
  .close('a body behind 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', { body: '' })
  .close(
    'a chunked body behind 204',
    `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}`,
    { body: '' },
  )
  .accept('the length of what GET would have had, for HEAD', ok('Content-Length: 5\r\n'), {
    method: 'HEAD',
    body: '',
  })
  .accept('a 204 without fields', 'HTTP/1.1 204 No Content\r\n\r\n', { body: '' })

const interim = new Group('backend', 'interim-responses')
  .accept('100, then 200', `HTTP/1.1 100 Continue\r\n\r\n${ok('Content-Length: 5\r\n', 'hello')}`, {
    body: 'hello',
  })
  .accept(
    '103 with fields, twice',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(2)}${ok('Content-Length: 0\r\n')}`,
    { body: '' },
  )
  .accept(
    '102 with a length: there is no body',
    `HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n${ok('Content-Length: 0\r\n')}`,
    { body: '' },
  )
  .reject('100 with a body', 'bad-version', 'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello')
  .reject(
    '100 with both lengths',
    'both-lengths',
    'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  .close('only 100', 'HTTP/1.1 100 Continue\r\n\r\n', { messages: 0 })

const cut = new Group('backend', 'cut-response')
  .close('inside of the status line', 'HTTP/1.1 20', { messages: 0 })
  .close('inside of the fields', 'HTTP/1.1 200 OK\r\nContent-', { messages: 0 })
  .close('inside of a counted body', ok('Content-Length: 10\r\n', 'hello'), { messages: 0, body: 'hello' })
  .close('inside of a chunk', ok('Transfer-Encoding: chunked\r\n', 'a\r\nhello'), {
    messages: 0,
    body: 'hello',
  })
  .close('before the last chunk', ok('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'), {
    messages: 0,
    body: 'hello',
  })
  .close('before the end of the trailers', ok('Transfer-Encoding: chunked\r\n', '0\r\nA: b\r\n'), {
    messages: 0,
    body: '',
  })

const persistence = new Group('backend', 'response-persistence')
  .close('Connection: close', ok('Connection: close\r\nContent-Length: 5\r\n', 'hello'), { body: 'hello' })
  .close('HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', { body: 'hello' })
  .accept(
    'HTTP/1.0 with keep-alive',
    'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello',
    { body: 'hello' },
  )

const oversized = new Group('backend', 'response-oversized')
  .reject('a reason of 64 KiB', 'start-line-too-long', `HTTP/1.1 200 ${'a'.repeat(65536)}`)
  .reject('a field of 64 KiB', 'head-too-large', ok(`A: ${'b'.repeat(65536)}\r\n`))
  .reject('101 fields', 'too-many-fields', ok('A: b\r\n'.repeat(101)))

export const BACKENDS: readonly AttackCase[] = [
  statusLine,
  framing,
  lines,
  chunks,
  splitting,
  interim,
  cut,
  persistence,
  oversized,
].flatMap((group) => group.cases)
