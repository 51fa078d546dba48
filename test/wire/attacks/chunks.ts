/** Chunked coding in requests (RFC 9112 §7.1, §11.2). */
import { Group, SMUGGLED, chunked, type AttackCase } from './case.ts'

const LAST = '0\r\n\r\n'

const size = new Group('client', 'chunk-size')
for (const [name, line, code] of [
  ['empty', '', 'bad-chunk-size'],
  ['plus sign', '+5', 'bad-chunk-size'],
  ['minus sign', '-5', 'bad-chunk-size'],
  ['0x in front', '0x5', 'bad-chunk-size'],
  ['underscore', '0_5', 'bad-chunk-size'],
  ['leading space', ' 5', 'bad-chunk-size'],
  ['leading tab', '\t5', 'bad-chunk-size'],
  ['trailing space', '5 ', 'bad-chunk-extension'],
  ['letter behind', '5g', 'bad-chunk-size'],
  ['h behind', '5h', 'bad-chunk-size'],
  ['decimal point', '5.0', 'bad-chunk-size'],
  ['NUL in front', '\x005', 'bad-chunk-size'],
  ['non-breaking space in front', '\xa05', 'bad-chunk-size'],
  ['quoted', '"5"', 'bad-chunk-size'],
] as const) {
  size.reject(name, code, chunked(`${line}\r\nhello\r\n${LAST}`), { body: '' })
}
size
  .accept('upper and lower case', chunked(`A\r\n0123456789\r\na\r\n0123456789\r\n${LAST}`), {
    body: '01234567890123456789',
  })
  .accept('leading zeros', chunked(`0005\r\nhello\r\n000\r\n\r\n`), { body: 'hello' })

const overflow = new Group('client', 'chunk-size-overflow')
  .reject('2^64 + 5', 'chunk-too-large', chunked(`10000000000000005\r\nhello\r\n${LAST}`), { body: '' })
  .reject('2^63 + 5', 'chunk-too-large', chunked(`8000000000000005\r\nhello\r\n${LAST}`), { body: '' })
  .reject('2^53', 'chunk-too-large', chunked(`20000000000000\r\nhello\r\n${LAST}`), { body: '' })
  .reject('all bits set', 'chunk-too-large', chunked(`ffffffffffffffff\r\nhello\r\n${LAST}`), { body: '' })
  .reject('endless zeros', 'chunk-too-large', chunked(`${'0'.repeat(300)}5\r\nhello\r\n${LAST}`), {
    body: '',
  })
  .close('2^32 + 5 waits for more', chunked(`100000005\r\nhello\r\n${LAST}${SMUGGLED}`), {
    messages: 0,
    body: `hello\r\n${LAST}${SMUGGLED}`,
  })

const lineEnd = new Group('client', 'chunk-line-end')
  .reject('LF behind the size', 'bare-lf', chunked(`5\nhello\r\n${LAST}`), { body: '' })
  .reject('CR behind the size', 'bare-cr', chunked(`5\rhello\r\n${LAST}`), { body: '' })
  .reject('CR CR LF behind the size', 'bare-cr', chunked(`5\r\r\nhello\r\n${LAST}`), { body: '' })
  .reject('LF behind the data', 'bad-chunk-end', chunked(`5\r\nhello\n${LAST}`), { body: 'hello' })
  .reject('nothing behind the data', 'bad-chunk-end', chunked(`5\r\nhello${LAST}`), { body: 'hello' })
  .reject('two other bytes behind the data', 'bad-chunk-end', chunked(`5\r\nhelloXX${LAST}`), {
    body: 'hello',
  })
  .reject('CR and another byte behind the data', 'bad-chunk-end', chunked(`5\r\nhello\rX${LAST}`), {
    body: 'hello',
  })
  .reject('another byte and LF behind the data', 'bad-chunk-end', chunked(`5\r\nhelloX\n${LAST}`), {
    body: 'hello',
  })
  .reject('data longer than declared', 'bad-chunk-end', chunked(`4\r\nhello\r\n${LAST}`), { body: 'hell' })
  .reject('LF behind the last chunk', 'bare-lf', chunked(`0\n\r\n`), { body: '' })
  .reject('LF as the end', 'bare-lf', chunked(`0\r\n\n`), { body: '' })
  .reject('CR and another byte as the end', 'bare-cr', chunked(`0\r\n\rX`), { body: '' })
  .reject(
    'no empty line: the next request is no trailer',
    'space-before-colon',
    chunked(`0\r\n${SMUGGLED}`),
    { body: '' },
  )

const extension = new Group('client', 'chunk-extension')
for (const [name, text] of [
  ['a name', ';ext'],
  ['a name and a token', ';ext=value'],
  ['a quoted value with a semicolon', ';ext="a;b"'],
  ['a quoted value with an escape', ';ext="a\\"b"'],
  ['several', ';a;b=c;d="e"'],
  ['white space the grammar calls bad', ' ; a = b ;c'],
] as const) {
  extension.accept(name, chunked(`5${text}\r\nhello\r\n${LAST}`), { body: 'hello' })
}
for (const [name, text, code] of [
  ['no name', ';', 'bad-chunk-extension'],
  ['no value', ';a=', 'bad-chunk-extension'],
  ['space before the line ends', ';a ', 'bad-chunk-extension'],
  ['LF inside (EXT.TERM)', ';\n5c', 'bare-lf'],
  ['LF behind the name (TERM.EXT)', ';a\nxx', 'bare-lf'],
  ['LF inside of quotes', ';a="\n"', 'bare-lf'],
  ['CR inside of quotes', ';a="\r\n"', 'bad-chunk-extension'],
  ['CR behind the name', ';a\rxx', 'bare-cr'],
  ['quotes not closed', ';a="b', 'bad-chunk-extension'],
  ['something behind the quotes', ';a="b"c', 'bad-chunk-extension'],
  ['NUL', ';a\0', 'bad-chunk-extension'],
  ['no semicolon', ' a', 'bad-chunk-extension'],
  ['0xff', ';\xff', 'bad-chunk-extension'],
  ['colon', ';a:b', 'bad-chunk-extension'],
] as const) {
  extension.reject(name, code, chunked(`5${text}\r\nhello\r\n${LAST}`), { body: '' })
}

const extensionFlood = new Group('client', 'chunk-extension-flood')
  .reject(
    'one line of 2 kB',
    'chunk-extension-too-long',
    chunked(`5;${'a'.repeat(2000)}\r\nhello\r\n${LAST}`),
    { body: '' },
  )
  .reject(
    'one quoted value of 2 kB',
    'chunk-extension-too-long',
    chunked(`5;a="${'b'.repeat(2000)}"\r\nhello\r\n${LAST}`),
    { body: '' },
  )
  .reject(
    'a kilobyte for each byte',
    'chunk-extension-too-long',
    chunked(`1;${'a'.repeat(900)}\r\nx\r\n`.repeat(50) + LAST),
    { body: 'x'.repeat(18) },
  )
  .accept(
    'a signature for each chunk',
    chunked(`40;chunk-signature=${'f'.repeat(64)}\r\n${'x'.repeat(64)}\r\n`.repeat(400) + LAST),
    { body: 'x'.repeat(25600) },
  )

const trailers = new Group('client', 'trailers')
  .accept('a trailer', chunked('5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n'), { body: 'hello' })
  .accept(
    'framing in a trailer changes nothing',
    chunked(`0\r\nContent-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n${SMUGGLED}`),
    { messages: 2, body: '', host: 'b.example' },
  )
  .accept(
    'Host and credentials in a trailer change nothing',
    chunked('0\r\nHost: b.example\r\nAuthorization: Basic eA==\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n'),
    { body: '', host: 'a.example' },
  )
  .reject('folded', 'obs-fold', chunked('0\r\nA: b\r\n c\r\n\r\n'), { body: '' })
  .reject('leading white space', 'obs-fold', chunked('0\r\n A: b\r\n\r\n'), { body: '' })
  .reject('space before the colon', 'space-before-colon', chunked('0\r\nA : b\r\n\r\n'), { body: '' })
  .reject('lone LF', 'bare-lf', chunked(`0\r\nA: b\n\r\n`), { body: '' })
  .reject('lone CR', 'bare-cr', chunked(`0\r\nA: b\rC: d\r\n\r\n`), { body: '' })
  .reject('NUL', 'bad-value', chunked('0\r\nA: \0\r\n\r\n'), { body: '' })
  .reject('empty name', 'empty-name', chunked('0\r\n: b\r\n\r\n'), { body: '' })
  .reject('no colon', 'missing-colon', chunked('0\r\nabc\r\n\r\n'), { body: '' })
  .reject('too many', 'too-many-fields', chunked(`0\r\n${'A: b\r\n'.repeat(101)}\r\n`), { body: '' })
  .reject('too long', 'head-too-large', chunked(`0\r\n${`A: ${'b'.repeat(1000)}\r\n`.repeat(70)}\r\n`), {
    body: '',
  })

export const CHUNKS: readonly AttackCase[] = [
  size,
  overflow,
  lineEnd,
  extension,
  extensionFlood,
  trailers,
].flatMap((group) => group.cases)
