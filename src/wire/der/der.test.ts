import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { DerReader, objectIdentifierText } from './reader.ts'
import { TAG_GENERALIZED_TIME, TAG_INTEGER, TAG_SEQUENCE, TAG_UTC_TIME } from './tags.ts'
import { parseTime } from './time.ts'
import { element, integer, objectIdentifier, sequence, time, utf8String } from './writer.ts'
import { readCertificateFields } from './x509.ts'

test('elements of every length are read as they were written', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const content = Buffer.alloc(length, 0x2a)
    const bytes = sequence(element(4, content), utf8String('x'))
    const outer = new DerReader(bytes)
    assert.ok(outer.expect(TAG_SEQUENCE))
    assert.ok(outer.isAtEnd)
    const inner = outer.enter()
    assert.ok(inner.next())
    assert.deepEqual(inner.content, content)
    assert.ok(inner.next())
    assert.equal(inner.content.toString(), 'x')
    assert.equal(inner.next(), false)
    assert.equal(inner.isMalformed, false)
  }
})

test('lengths that DER does not allow are malformed', async (t) => {
  const cases: readonly [string, readonly number[]][] = [
    ['a tag alone', [0x30]],
    ['indefinite length', [0x30, 0x80, 0, 0]],
    ['long form for a short length', [0x04, 0x81, 0x01, 0x00]],
    ['a zero in front of the length', [0x04, 0x82, 0x00, 0x80, ...Buffer.alloc(128)]],
    ['length bytes that are not there', [0x04, 0x82, 0x01]],
    ['five length bytes', [0x04, 0x85, 1, 1, 1, 1, 1]],
    ['content that is not there', [0x04, 0x02, 0x00]],
    ['a tag number over 30', [0x1f, 0x81, 0x01, 0x00]],
  ]
  for (const [name, bytes] of cases) {
    await t.test(name, () => {
      const reader = new DerReader(Buffer.from(bytes))
      assert.equal(reader.next(), false)
      assert.equal(reader.isMalformed, true)
      // It stays so.
      assert.equal(reader.next(), false)
    })
  }
})

test('an element inside another cannot reach beyond it', () => {
  const outer = new DerReader(Buffer.from([0x30, 0x03, 0x04, 0x02, 0x61, 0x62]))
  assert.ok(outer.next())
  assert.equal(outer.enter().next(), false)
})

test('object identifiers are written and read', async (t) => {
  const cases: readonly [string, string][] = [
    ['2.5.4.3', '0603550403'],
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['1.3.6.1.5.5.7.48.2', '06082b06010505073002'],
    ['2.999.3', '0603883703'],
    ['0.9.128', '0603098100'],
  ]
  for (const [dotted, hex] of cases) {
    await t.test(dotted, () => {
      const bytes = objectIdentifier(dotted)
      assert.equal(bytes.toString('hex'), hex)
      assert.equal(objectIdentifierText(bytes.subarray(2)), dotted)
    })
  }
  for (const malformed of ['', '80', '8001', '2a86', '2affffffffff7f'])
    assert.equal(objectIdentifierText(Buffer.from(malformed, 'hex')), '', malformed)
})

test('integers are shortest and never negative', () => {
  const hex = (...bytes: number[]): string => integer(Uint8Array.from(bytes)).toString('hex')
  assert.equal(hex(0), '020100')
  assert.equal(hex(), '020100')
  assert.equal(hex(0x7f), '02017f')
  assert.equal(hex(0x80), '02020080')
  assert.equal(hex(0, 0, 1), '020101')
  assert.equal(TAG_INTEGER, 2)
})

test('times change their form in 2050 and come back the same', () => {
  for (const [iso, hex] of [
    ['1950-01-01T00:00:00Z', '170d3530'],
    ['2049-12-31T23:59:59Z', '170d3439'],
    ['2050-01-01T00:00:00Z', '180f3230'],
    ['2024-02-29T12:30:45Z', '170d3234'],
  ] as const) {
    const bytes = time(Date.parse(iso))
    assert.ok(bytes.toString('hex').startsWith(hex), iso)
    assert.equal(parseTime(bytes[0] ?? 0, bytes.subarray(2)), Date.parse(iso))
  }
})

test('times that RFC 5280 does not allow are none', () => {
  for (const text of [
    '2401010000Z',
    '240101000000',
    '240101000000+0100',
    '241301000000Z',
    '240230000000Z',
    '240101240000Z',
    '24010100000xZ',
  ])
    assert.ok(Number.isNaN(parseTime(TAG_UTC_TIME, Buffer.from(text))), text)
  assert.ok(Number.isNaN(parseTime(TAG_GENERALIZED_TIME, Buffer.from('20240101000000.5Z'))))
  assert.ok(Number.isNaN(parseTime(TAG_INTEGER, Buffer.from('240101000000Z'))))
})

/** A certificate made by OpenSSL, as DER. */
function opensslCertificate(...args: string[]): Buffer {
  return execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', '-keyout', '/dev/null', '-outform', 'DER', ...args],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']

test('a certificate of OpenSSL is read', () => {
  const der = opensslCertificate(
    ...EC,
    '-days',
    '10',
    '-set_serial',
    '0xff00aa',
    '-subj',
    '/O=Example/CN=first/CN=shöp.example',
    '-utf8',
    '-addext',
    'subjectAltName=DNS:shop.example,DNS:*.shop.example,IP:192.0.2.1,IP:2001:db8::1,URI:https://x/,email:a@b.c',
    '-addext',
    'authorityInfoAccess=OCSP;URI:http://ocsp.example,caIssuers;URI:http://ca.example/ca.crt',
  )
  const fields = readCertificateFields(der)
  assert.ok(fields)
  assert.equal(fields.serial, 'ff00aa')
  assert.equal(fields.commonName, 'shöp.example')
  assert.ok(fields.issuer.equals(fields.subject))
  assert.equal(fields.notAfter - fields.notBefore, 10 * 86_400_000)
  assert.equal(fields.signatureAlgorithm, '1.2.840.10045.4.3.2')
  assert.equal(fields.keyAlgorithm, '1.2.840.10045.2.1')
  assert.equal(fields.keyBits, 384)
  assert.equal(fields.isAuthority, true)
  assert.ok(fields.subjectKeyId && fields.authorityKeyId?.equals(fields.subjectKeyId))
  assert.equal(fields.issuerUrl, 'http://ca.example/ca.crt')
  assert.deepEqual(fields.altNames, [
    { kind: 'dns', value: 'shop.example' },
    { kind: 'dns', value: '*.shop.example' },
    { kind: 'ip', value: '192.0.2.1' },
    { kind: 'ip', value: '2001:db8::1' },
    { kind: 'uri', value: 'https://x/' },
    { kind: 'email', value: 'a@b.c' },
  ])
})

test('the size of RSA keys and the absence of names are seen', () => {
  const fields = readCertificateFields(opensslCertificate('-newkey', 'rsa:1024', '-subj', '/O=Example'))
  assert.equal(fields?.keyBits, 1024)
  assert.equal(fields?.commonName, '')
  assert.equal(fields?.altNames, null)
})

test('cut and changed certificates are refused or read, and never throw', () => {
  const der = opensslCertificate(...EC, '-subj', '/CN=a', '-addext', 'subjectAltName=DNS:a.example')
  assert.ok(readCertificateFields(der))
  for (let cut = 0; cut < der.length; cut++) assert.equal(readCertificateFields(der.subarray(0, cut)), null)
  assert.equal(readCertificateFields(Buffer.concat([der, Buffer.alloc(1)])), null)
  let refused = 0
  for (let i = 0; i < der.length; i++) {
    for (const flip of [0x01, 0x7f, 0x80]) {
      const changed = Buffer.from(der)
      changed[i] = (changed[i] ?? 0) ^ flip
      if (readCertificateFields(changed) === null) refused++
    }
  }
  assert.ok(refused > 100, `${refused} refused`)
})
