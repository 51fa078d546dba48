/** Where does a request end: Content-Length against Transfer-Encoding (RFC 9112 §6, §11.2). */
import { Group, HOST, SMUGGLED, chunked, get, post, type AttackCase } from './case.ts'

const LAST = '0\r\n\r\n'

const bothLengths = new Group('client', 'both-lengths')
  .reject(
    'CL.TE: the front counts, the back reads chunks',
    'both-lengths',
    post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', `${LAST}G`),
  )
  .reject(
    'TE.CL: the front reads chunks, the back counts',
    'both-lengths',
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `2c\r\n${SMUGGLED}\r\n${LAST}`),
  )
  .reject(
    'agreeing lengths',
    'both-lengths',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', LAST),
  )
  .reject(
    'a content length of zero',
    'both-lengths',
    post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', LAST + SMUGGLED),
  )
  .reject('on a GET', 'both-lengths', get('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n') + LAST)
  .reject(
    'behind a good request',
    'both-lengths',
    get() + post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', LAST),
    { messages: 1 },
  )

const contentLength = new Group('client', 'content-length')
for (const [name, value] of [
  ['plus sign', '+5'],
  ['minus sign', '-5'],
  ['empty', ''],
  ['hexadecimal', '0x5'],
  ['underscore between digits', '1_0'],
  ['decimal point', '5.0'],
  ['exponent', '5e0'],
  ['inner space', '5 5'],
  ['list of equal ones', '5, 5'],
  ['list of different ones', '5, 6'],
  ['trailing comma', '5,'],
  ['quoted', '"5"'],
  ['non-breaking space in front', '\xa05'],
  ['other digits', '\xb2'],
] as const) {
  contentLength.reject(name, 'bad-content-length', post(`Content-Length: ${value}\r\n`, 'hello'))
}
contentLength
  .reject('vertical tab in front', 'bad-value', post('Content-Length: \x0b5\r\n', 'hello'))
  .reject('NUL behind', 'bad-value', post('Content-Length: 5\0\r\n', 'hello'))
  .reject('2^53', 'content-length-too-large', post('Content-Length: 9007199254740992\r\n', 'hello'))
  .reject(
    'wraps around 2^64 to 5',
    'content-length-too-large',
    post('Content-Length: 18446744073709551621\r\n', 'hello'),
  )
  .reject(
    'hundreds of digits',
    'content-length-too-large',
    post(`Content-Length: ${'9'.repeat(400)}\r\n`, 'hello'),
  )
  .accept('leading zeros are decimal, not octal', post('Content-Length: 010\r\n', '0123456789'), {
    body: '0123456789',
  })
  .reject('tab in front', 'bad-content-length', post('Content-Length:\t5\r\n', 'hello'))
  .reject('tab behind a space', 'bad-content-length', post('Content-Length: 5 \t\r\n', 'hello'))
  .accept('no space behind the colon, several behind the value', post('Content-Length:5  \r\n', 'hello'), {
    body: 'hello',
  })
  .accept('zero', post('Content-Length: 0\r\n', ''), { body: '' })

const duplicateContentLength = new Group('client', 'duplicate-content-length')
  .reject(
    'different',
    'duplicate-content-length',
    post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!'),
  )
  .reject('equal', 'duplicate-content-length', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'))
  .reject(
    'other case, apart',
    'duplicate-content-length',
    post('Content-Length: 5\r\nA: b\r\ncONTENT-lENGTH: 0\r\n', 'hello'),
  )
  .reject(
    'with an underscore',
    'framing-name-variant',
    post('Content-Length: 5\r\nContent_Length: 0\r\n', 'hello'),
  )

const transferEncoding = new Group('client', 'te-te')
for (const [name, line, code] of [
  ['twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 'duplicate-transfer-encoding'],
  [
    'second one is identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'duplicate-transfer-encoding',
  ],
  ['chunked, chunked', 'Transfer-Encoding: chunked, chunked', 'bad-transfer-encoding'],
  ['identity', 'Transfer-Encoding: identity', 'bad-transfer-encoding'],
  ['chunked, identity', 'Transfer-Encoding: chunked, identity', 'bad-transfer-encoding'],
  ['unknown coding', 'Transfer-Encoding: xchunked', 'bad-transfer-encoding'],
  ['unknown coding before chunked', 'Transfer-Encoding: foo, chunked', 'unsupported-transfer-encoding'],
  ['gzip, chunked', 'Transfer-Encoding: gzip, chunked', 'unsupported-transfer-encoding'],
  ['gzip alone', 'Transfer-Encoding: gzip', 'bad-transfer-encoding'],
  ['empty', 'Transfer-Encoding:', 'bad-transfer-encoding'],
  ['trailing comma', 'Transfer-Encoding: chunked,', 'bad-transfer-encoding'],
  ['leading comma', 'Transfer-Encoding: ,chunked', 'bad-transfer-encoding'],
  ['parameter', 'Transfer-Encoding: chunked;q=1', 'bad-transfer-encoding'],
  ['quoted', 'Transfer-Encoding: "chunked"', 'bad-transfer-encoding'],
  ['apostrophes', "Transfer-Encoding: 'chunked'", 'bad-transfer-encoding'],
  ['vertical tab in front', 'Transfer-Encoding: \x0bchunked', 'bad-value'],
  ['form feed behind', 'Transfer-Encoding: chunked\x0c', 'bad-value'],
  ['NUL behind', 'Transfer-Encoding: chunked\0', 'bad-value'],
  ['non-breaking space behind', 'Transfer-Encoding: chunked\xa0', 'bad-transfer-encoding'],
  ['0xff behind', 'Transfer-Encoding: chunked\xff', 'bad-transfer-encoding'],
  ['space before the colon', 'Transfer-Encoding : chunked', 'space-before-colon'],
  ['tab before the colon', 'Transfer-Encoding\t: chunked', 'space-before-colon'],
  ['leading space before the name', ' Transfer-Encoding: chunked', 'obs-fold'],
  ['folded', 'Transfer-Encoding:\r\n chunked', 'bad-transfer-encoding'],
  ['behind a lone LF', 'A: b\nTransfer-Encoding: chunked', 'bare-lf'],
  ['behind a lone CR', 'A: b\rTransfer-Encoding: chunked', 'bare-cr'],
  ['with an underscore', 'Transfer_Encoding: chunked', 'framing-name-variant'],
  ['NUL in the name', 'Transfer\0-Encoding: chunked', 'bad-name'],
  ['two words', 'Transfer Encoding: chunked', 'space-before-colon'],
  ['semicolon as colon', 'Transfer-Encoding; chunked', 'bad-name'],
] as const) {
  transferEncoding.reject(name, code, post(`Content-Length: 5\r\n${line}\r\n`, LAST + SMUGGLED))
}
transferEncoding
  .accept('any case', post('tRANSFER-eNCODING: CHUNKED\r\n', `5\r\nhello\r\n${LAST}`), { body: 'hello' })
  .reject('tab in front', 'bad-transfer-encoding', post('Transfer-Encoding:\tchunked\r\n', LAST))
  .reject('tab behind', 'bad-transfer-encoding', post('Transfer-Encoding: chunked\t\r\n', LAST))
  .accept(
    'no space behind the colon, several behind the value',
    post('Transfer-Encoding:chunked  \r\n', LAST),
    { body: '' },
  )
  .accept(
    'a field that only looks alike',
    post('Content-Length: 5\r\nX-Transfer-Encoding: chunked\r\n', 'hello'),
    { body: 'hello' },
  )

const http10 = new Group('client', 'http10-framing')
  .reject(
    'chunked in HTTP/1.0',
    'transfer-encoding-in-http10',
    `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${LAST}`,
  )
  .reject(
    'chunked in HTTP/1.0 with a length',
    'transfer-encoding-in-http10',
    `POST / HTTP/1.0\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}`,
  )
  .reject(
    'chunked in HTTP/1.0 with keep-alive',
    'transfer-encoding-in-http10',
    `POST / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}${SMUGGLED}`,
  )
  .close('no length: no body, and the connection ends', `POST / HTTP/1.0\r\n${HOST}\r\n${SMUGGLED}`, {
    body: '',
  })
  .close(
    'keep-alive on HTTP/1.0, then a request without it',
    `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n${SMUGGLED}`,
    { messages: 2 },
  )

const zeroLength = new Group('client', 'cl0')
  .accept('CL.0: the body of a GET is its body', get('Content-Length: 43\r\n') + SMUGGLED, { body: SMUGGLED })
  .accept(
    'CL.0: the body of an OPTIONS is its body',
    `OPTIONS /x HTTP/1.1\r\n${HOST}Content-Length: 43\r\n\r\n${SMUGGLED}`,
    { body: SMUGGLED },
  )
  .accept(
    '0.CL: nothing declared, so the next request starts at once',
    `POST / HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
    { messages: 2, body: '', host: 'b.example' },
  )
  .reject(
    '0.CL: length hidden by white space before the colon',
    'space-before-colon',
    post('Content-Length : 43\r\n', SMUGGLED),
  )
  .reject(
    '0.CL: length hidden in a folded line',
    'obs-fold',
    post('A: b\r\n Content-Length: 43\r\n', SMUGGLED),
  )
  .reject('0.CL: length behind an empty name', 'empty-name', post(': x\r\nContent-Length: 43\r\n', SMUGGLED))

const pipelining = new Group('client', 'pipelining')
  .accept('three requests in one piece', get() + post('Content-Length: 5\r\n', 'hello') + get(), {
    messages: 3,
    body: 'hello',
  })
  .accept('a chunked body, then a request', chunked(`5\r\nhello\r\n${LAST}`) + SMUGGLED, {
    messages: 2,
    body: 'hello',
    host: 'b.example',
  })
  .accept('one empty line between requests', `${get()}\r\n${get()}`, { messages: 2 })
  .reject('surplus body bytes are not skipped', 'bad-method', post('Content-Length: 5\r\n', 'hello}\r\n'), {
    messages: 1,
    body: 'hello',
  })
  .close('nothing is read behind Connection: close', get('Connection: close\r\n') + SMUGGLED)
  .close(
    'nothing is read behind a close among other tokens',
    get('Connection: keep-alive, Close\r\n') + SMUGGLED,
  )

const expect100 = new Group('client', 'expect')
  .accept('100-continue with a body', post('Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'), {
    body: 'hello',
  })
  .accept('100-Continue without a body', get('Expect: 100-Continue\r\n'))
  .reject('another expectation', 'bad-expect', post('Expect: 200-ok\r\nContent-Length: 5\r\n', 'hello'))
  .reject(
    'hidden behind a word',
    'bad-expect',
    post('Expect: y 100-continue\r\nContent-Length: 43\r\n', SMUGGLED),
  )
  .reject('empty', 'bad-expect', post('Expect:\r\nContent-Length: 5\r\n', 'hello'))
  .reject(
    'a list',
    'bad-expect',
    post('Expect: 100-continue, 100-continue\r\nContent-Length: 5\r\n', 'hello'),
  )
  .reject(
    'twice',
    'bad-expect',
    post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n', 'hello'),
  )
  .reject('folded', 'bad-expect', post('Expect:\r\n 100-continue\r\nContent-Length: 5\r\n', 'hello'))
  .close(
    'ignored in HTTP/1.0',
    `POST / HTTP/1.0\r\n${HOST}Expect: unheard-of\r\nContent-Length: 5\r\n\r\nhello`,
    { body: 'hello' },
  )

const cut = new Group('client', 'cut-request')
  .close('inside of the request line', 'GET / HT', { messages: 0 })
  .close('inside of a field', `GET / HTTP/1.1\r\n${HOST}User-Ag`, { messages: 0 })
  .close('before the last LF', `GET / HTTP/1.1\r\n${HOST}\r`, { messages: 0 })
  .close('inside of a counted body', post('Content-Length: 10\r\n', 'hello'), { messages: 0, body: 'hello' })
  .close('inside of a chunk', chunked('a\r\nhello'), { messages: 0, body: 'hello' })
  .close('before the last chunk', chunked('5\r\nhello\r\n'), { messages: 0, body: 'hello' })
  .close('behind the last chunk', chunked('5\r\nhello\r\n0\r\n'), { messages: 0, body: 'hello' })

export const FRAMING: readonly AttackCase[] = [
  bothLengths,
  contentLength,
  duplicateContentLength,
  transferEncoding,
  http10,
  zeroLength,
  pipelining,
  expect100,
  cut,
].flatMap((group) => group.cases)
