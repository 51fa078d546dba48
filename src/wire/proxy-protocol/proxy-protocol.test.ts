import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from './crc32c.ts'
import {
  BAD_CHECKSUM,
  MALFORMED,
  MAX_V2_BYTES,
  NEED_MORE,
  NO_SIGNATURE,
  PP2_TYPE_AUTHORITY,
  PP2_TYPE_CRC32C,
  PP2_TYPE_NOOP,
  type ProxyHeader,
  TOO_LONG,
} from './header.ts'
import { ProxyProtocolReader } from './reader.ts'
import { encodeProxyV1, encodeProxyV2 } from './writer.ts'

const v4 = { address: '192.0.2.7', port: 51234 }
const v4local = { address: '198.51.100.1', port: 443 }
const v6 = { address: '2001:db8::7', port: 1 }
const v6local = { address: '2001:db8::1', port: 65535 }

/** Feeds all of it at once. */
function readAll(bytes: Buffer): { result: number; header: ProxyHeader } {
  const reader = new ProxyProtocolReader()
  const result = reader.read(bytes, 0, bytes.length)
  return { result, header: reader.header }
}

function v2(versionAndCommand: number, family: number, block: Buffer): Buffer {
  const header = Buffer.concat([encodeProxyV2(), block])
  header[12] = versionAndCommand
  header[13] = family
  header.writeUInt16BE(block.length, 14)
  return header
}

const block4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xc8, 0x22, 0x01, 0xbb])
const tlv = (type: number, value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 255]), bytes])
}

test('headers that the specification allows are read', async (t) => {
  const proxy = (version: 1 | 2, more: Partial<ProxyHeader> = {}): ProxyHeader => ({
    version,
    command: 'PROXY',
    tlvs: [],
    ...more,
  })
  const cases: readonly [string, Buffer, ProxyHeader][] = [
    [
      'v1 TCP4',
      Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n'),
      proxy(1, { source: v4, destination: v4local }),
    ],
    [
      'v1 TCP4, lowest and highest port',
      Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n'),
      proxy(1, {
        source: { ...v4, port: 0 },
        destination: { ...v4local, port: 65535 },
      }),
    ],
    [
      'v1 TCP6, not in its shortest form',
      Buffer.from('PROXY TCP6 2001:DB8:0:0::7 2001:db8::1 1 65535\r\n'),
      proxy(1, { source: v6, destination: v6local }),
    ],
    [
      'v1 TCP6 with mapped addresses',
      Buffer.from('PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 51234 443\r\n'),
      proxy(1, { source: v4, destination: v4local }),
    ],
    ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), proxy(1)],
    ['v1 UNKNOWN with 107 bytes of addresses', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), proxy(1)],
    ['v2 TCP4', v2(0x21, 0x11, block4), proxy(2, { source: v4, destination: v4local })],
    ['v2 UDP4', v2(0x21, 0x12, block4), proxy(2, { source: v4, destination: v4local })],
    ['v2 TCP6', encodeProxyV2(v6, v6local), proxy(2, { source: v6, destination: v6local })],
    ['v2 TCP6 with mapped addresses', encodeProxyV2(v4, v6), proxy(2, { source: v4, destination: v6 })],
    ['v2 LOCAL', encodeProxyV2(), { version: 2, command: 'LOCAL', tlvs: [] }],
    [
      'v2 LOCAL with addresses, which are padding',
      v2(0x20, 0x11, block4),
      { version: 2, command: 'LOCAL', tlvs: [] },
    ],
    ['v2 of unspecified family', v2(0x21, 0x00, Buffer.from('anything')), proxy(2)],
    [
      'v2 UNIX, whose paths are not used',
      v2(0x21, 0x31, Buffer.concat([Buffer.alloc(216), tlv(PP2_TYPE_AUTHORITY, 'a')])),
      proxy(2, { tlvs: [{ type: PP2_TYPE_AUTHORITY, value: Buffer.from('a') }] }),
    ],
    [
      'v2 with TLVs and padding',
      v2(
        0x21,
        0x11,
        Buffer.concat([
          block4,
          tlv(PP2_TYPE_AUTHORITY, 'a.example'),
          tlv(PP2_TYPE_NOOP, 'xx'),
          tlv(0xe0, ''),
        ]),
      ),
      proxy(2, {
        source: v4,
        destination: v4local,
        tlvs: [
          { type: PP2_TYPE_AUTHORITY, value: Buffer.from('a.example') },
          { type: 0xe0, value: Buffer.alloc(0) },
        ],
      }),
    ],
  ]
  for (const [name, bytes, expected] of cases) {
    await t.test(name, () => {
      const { result, header } = readAll(bytes)
      assert.equal(result, bytes.length)
      assert.deepEqual(header, expected)
    })
  }
})

test('headers that break the specification are refused', async (t) => {
  const longTlv = Buffer.concat([block4, Buffer.from([0xe0, 0x00, 0x02, 0x00])])
  const checksummed = encodeProxyV2(v4, v4local, { hasChecksum: true })
  const corrupted = Buffer.from(checksummed)
  corrupted[17] = 1
  const cases: readonly [string, Buffer | string, number][] = [
    ['an HTTP request', 'GET / HTTP/1.1\r\n', NO_SIGNATURE],
    ['a POST, which shares the first letter', 'POST / HTTP/1.1\r\n', NO_SIGNATURE],
    ['a TLS hello', Buffer.from([22, 3, 1]), NO_SIGNATURE],
    ['line end without CR', 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\n', MALFORMED],
    ['CR without LF', 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\rG', MALFORMED],
    ['two spaces', 'PROXY TCP4  192.0.2.7 198.51.100.1 51234 443\r\n', MALFORMED],
    ['trailing space', 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 443 \r\n', MALFORMED],
    ['a port too high', 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n', MALFORMED],
    ['a port with a leading zero', 'PROXY TCP4 192.0.2.7 198.51.100.1 051 443\r\n', MALFORMED],
    ['a negative port', 'PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n', MALFORMED],
    ['octal address', 'PROXY TCP4 0300.0.2.7 198.51.100.1 1 443\r\n', MALFORMED],
    ['family against address', 'PROXY TCP4 2001:db8::7 2001:db8::1 1 443\r\n', MALFORMED],
    ['address against family', 'PROXY TCP6 192.0.2.7 198.51.100.1 1 443\r\n', MALFORMED],
    ['an address with zone', 'PROXY TCP6 fe80::1%eth0 2001:db8::1 1 443\r\n', MALFORMED],
    ['lower case family', 'PROXY tcp4 192.0.2.7 198.51.100.1 1 443\r\n', MALFORMED],
    ['UNKNOWN run together', 'PROXY UNKNOWNX\r\n', MALFORMED],
    ['a control character', 'PROXY UNKNOWN \0\r\n', MALFORMED],
    ['a line of 108 bytes', `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`, TOO_LONG],
    ['an endless line', `PROXY UNKNOWN ${'f'.repeat(4000)}`, TOO_LONG],
    ['version 1 in binary', v2(0x11, 0x11, block4), MALFORMED],
    ['command 2', v2(0x22, 0x11, block4), MALFORMED],
    ['family 4', v2(0x21, 0x41, block4), MALFORMED],
    ['transport 3', v2(0x21, 0x13, block4), MALFORMED],
    ['a block too short for its family', v2(0x21, 0x21, block4), MALFORMED],
    ['a TLV that passes the end', v2(0x21, 0x11, longTlv), MALFORMED],
    ['half a TLV head', v2(0x21, 0x11, Buffer.concat([block4, Buffer.from([1, 0])])), MALFORMED],
    [
      'a checksum of three bytes',
      v2(0x21, 0x11, Buffer.concat([block4, tlv(PP2_TYPE_CRC32C, 'abc')])),
      MALFORMED,
    ],
    ['a wrong checksum', corrupted, BAD_CHECKSUM],
    [
      '65 TLVs',
      v2(0x21, 0x11, Buffer.concat([block4, ...Array.from({ length: 65 }, () => tlv(0xe0, ''))])),
      TOO_LONG,
    ],
    ['a length over the bound', v2(0x21, 0x11, Buffer.alloc(MAX_V2_BYTES)), TOO_LONG],
  ]
  for (const [name, bytes, expected] of cases) {
    await t.test(name, () => {
      assert.equal(readAll(Buffer.from(bytes)).result, expected)
    })
  }
})

test('every split of the bytes gives the same header and the same end', () => {
  const headers = [
    Buffer.from(encodeProxyV1(v4, v4local)),
    Buffer.from(encodeProxyV1()),
    encodeProxyV2(v6, v6local, {
      tlvs: [{ type: PP2_TYPE_AUTHORITY, value: Buffer.from('shop.example') }],
      hasChecksum: true,
    }),
    encodeProxyV2(),
  ]
  for (const bytes of headers) {
    const whole = readAll(bytes)
    // What follows in the same segment is not the header's.
    const wire = Buffer.concat([bytes, Buffer.from('GET /')])
    for (let cut = 1; cut < wire.length; cut++) {
      const reader = new ProxyProtocolReader()
      const first = Buffer.concat([Buffer.from('--'), wire.subarray(0, cut)])
      let result = reader.read(first, 2, first.length)
      if (cut >= bytes.length) {
        assert.equal(result, 2 + bytes.length, `cut at ${cut}`)
      } else {
        assert.equal(result, NEED_MORE, `cut at ${cut}`)
        // The first buffer is only borrowed.
        first.fill(0xaa)
        const second = Buffer.concat([Buffer.from('---'), wire.subarray(cut)])
        result = reader.read(second, 3, second.length)
        assert.equal(result, 3 + bytes.length - cut, `cut at ${cut}`)
      }
      assert.deepEqual(reader.header, whole.header)
    }
    const reader = new ProxyProtocolReader()
    for (let i = 0; i < bytes.length; i++)
      assert.equal(reader.read(bytes, i, i + 1), i === bytes.length - 1 ? bytes.length : NEED_MORE)
    assert.deepEqual(reader.header, whole.header)
  }
})

test('a changed byte of a header with a checksum is refused', () => {
  const bytes = encodeProxyV2(v4, v4local, { hasChecksum: true })
  for (let i = 0; i < bytes.length; i++) {
    // The type of the checksum's own TLV: with another one there is no checksum to compare.
    if (i === bytes.length - 7) continue
    const changed = Buffer.from(bytes)
    changed[i] = (changed[i] ?? 0) ^ 0x55
    assert.ok(readAll(changed).result <= 0, `byte ${i}`)
  }
})

test('random bytes never throw and never grow past the bound', () => {
  let seed = 7
  const next = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >>> 8
  const start = encodeProxyV2()
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.alloc(1 + (next() % 300))
    for (let i = 0; i < bytes.length; i++) bytes[i] = next()
    if (round % 2 === 0) {
      start.copy(bytes)
      if (bytes.length > 15) bytes[14] = 0
      if (bytes.length > 12) bytes[12] = 0x21
      if (bytes.length > 13) bytes[13] = 0x11
    }
    const { result } = readAll(bytes)
    assert.ok(result <= bytes.length)
  }
})

test('the checksum is CRC32C', () => {
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283)
  assert.equal(crc32c(Buffer.from('12345xy89'), 0, 9, 5, 7), crc32c(Buffer.from('12345\0\x0089'), 0, 9))
})

test('a line of version 1 is written as the specification prints it', () => {
  assert.equal(encodeProxyV1(v4, v4local), 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n')
  assert.equal(encodeProxyV1(v6, v4local), 'PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 1 443\r\n')
  assert.equal(encodeProxyV1(), 'PROXY UNKNOWN\r\n')
})
