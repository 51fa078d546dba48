import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { CertificateConfig } from '#config/model/dynamic.ts'
import { OID_AUTHORITY_INFO_ACCESS, OID_CA_ISSUERS } from '#wire/der/tags.ts'
import { implicit, objectIdentifier, sequence } from '#wire/der/writer.ts'
import { CERTIFICATE_FINDINGS } from './certificate-findings.ts'
import { readCertificate, validityFindings } from './certificate.ts'
import { extension } from './issue.ts'
import { coversHost, hostNames } from './names.ts'
import { createSelfSigned, DEFAULT_COMMON_NAME } from './self-signed.ts'
import { configOf, DAY_MS, keyPem, TestAuthority } from './testdata/authority.ts'

const root = new TestAuthority('Test Root')
const intermediate = new TestAuthority('Test Intermediate', root)
const stranger = new TestAuthority('Somebody Else')
const leaf = intermediate.issue(['a.example', '*.b.example'])
const full = leaf.certificate + intermediate.certificate
const sha1 = readFileSync(new URL('testdata/sha1.pem', import.meta.url), 'utf8')
const sha1Key = sha1.slice(sha1.indexOf('-----BEGIN PRIVATE KEY'))

function fetchable(url: string): Buffer {
  const access = sequence(objectIdentifier(OID_CA_ISSUERS), implicit(6, Buffer.from(url)))
  return extension(OID_AUTHORITY_INFO_ACCESS, sequence(access))
}

test('a good certificate is read without findings', async (t) => {
  const cases: readonly [string, CertificateConfig][] = [
    ['leaf and intermediate', configOf('s', { certificate: full, key: leaf.key })],
    ['with the root', configOf('s', { certificate: full + root.certificate, key: leaf.key })],
    [
      'text around the blocks, CRLF',
      configOf('s', { certificate: `subject=a\r\n${full.replaceAll('\n', '\r\n')}end`, key: leaf.key }),
    ],
    [
      'hosts that it names',
      configOf(
        's',
        { certificate: full, key: leaf.key },
        { hosts: ['a.example', 'x.b.example', '*.b.example'] },
      ),
    ],
  ]
  for (const [name, config] of cases) {
    await t.test(name, () => {
      const { certificate, findings } = readCertificate(config)
      assert.deepEqual(findings, [])
      assert.ok(certificate)
      assert.deepEqual(certificate.names, ['a.example', '*.b.example'])
      assert.equal(certificate.keyType, 'ec')
      assert.equal(certificate.issuer, 'Test Intermediate')
      const x509 = new X509Certificate(leaf.certificate)
      assert.equal(certificate.serial.toUpperCase(), x509.serialNumber)
      assert.equal(certificate.notAfter, x509.validToDate.getTime())
      assert.equal(certificate.notBefore, x509.validFromDate.getTime())
    })
  }
})

test('every kind of key is told from the others', () => {
  for (const keyType of ['ec', 'rsa', 'ed25519'] as const) {
    const pair = root.issue(['a.example'], { keyType })
    assert.equal(readCertificate(configOf('s', pair)).certificate?.keyType, keyType)
  }
})

test('what is wrong is found', async (t) => {
  const rsa1024 = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const weak = root.issue(['a.example'], { subjectKey: rsa1024 })
  const odd = root.issue(['a.example'], { subjectKey: secp256k1 })
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
  const direct = root.issue(['a.example'])
  const withUrl = root.issue(['a.example'], { extensions: [fetchable('http://ca.example/r.crt')] })
  const nameless = root.issue([], { commonName: 'Not A Host' })
  const pem = (certificate: string, key = leaf.key): CertificateConfig => configOf('s', { certificate, key })
  /** Codes, whether it is usable, and part of a message or hint. */
  const cases: readonly [string, CertificateConfig, readonly string[], boolean, RegExp][] = [
    ['no PEM at all', pem('hello'), ['certificate-unreadable'], false, /no PEM block of type CERTIFICATE/],
    ['a key in place of the certificate', pem(leaf.key), ['certificate-unreadable'], false, /no PEM block/],
    ['a block that is cut off', pem(full.slice(0, 300)), ['certificate-unreadable'], false, /cut off/],
    [
      'characters that are not base64',
      pem(full.replace('M', '!')),
      ['certificate-unreadable'],
      false,
      /not base64/,
    ],
    [
      'base64 of something else',
      pem('-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----'),
      ['certificate-unreadable'],
      false,
      /PEM block 1 is not/,
    ],
    ['a trust store', pem(full.repeat(20)), ['certificate-unreadable'], false, /40 certificates/],
    ['no key', pem(full, ''), ['certificate-key-unreadable'], false, /no PEM block of a private key/],
    ['an encrypted key', pem(full, encrypted), ['certificate-key-unreadable'], false, /is encrypted/],
    [
      'a damaged key',
      pem(full, leaf.key.replace(/\n[^-]+\n/, '\naGVsbG8=\n')),
      ['certificate-key-unreadable'],
      false,
      /cannot be parsed/,
    ],
    ['the key of another', pem(full, direct.key), ['certificate-key-mismatch'], false, /does not belong/],
    ['an RSA key of 1024 bits', configOf('s', weak), ['certificate-weak-key'], false, /1024 bits/],
    ['a curve that TLS has not', configOf('s', odd), ['certificate-key-unsupported'], false, /kind/],
    [
      'SHA-1',
      configOf('s', { certificate: sha1, key: sha1Key }),
      ['certificate-weak-signature'],
      true,
      /signed with SHA-1/,
    ],
    [
      'the issuer first',
      pem(intermediate.certificate + leaf.certificate),
      ['certificate-chain-order'],
      true,
      /not in order/,
    ],
    [
      'a stranger in the file',
      pem(full + stranger.certificate),
      ['certificate-chain-unrelated'],
      true,
      /'Somebody Else'/,
    ],
    ['no intermediate', pem(leaf.certificate), ['certificate-issuer-absent'], true, /'Test Intermediate'/],
    [
      'no intermediate, and where it is',
      configOf('s', withUrl),
      ['certificate-chain-incomplete'],
      true,
      /http:\/\/ca\.example\/r\.crt/,
    ],
    [
      'a host that it does not name',
      configOf('s', { certificate: full, key: leaf.key }, { hosts: ['a.example', 'c.example'] }),
      ['certificate-name-mismatch'],
      true,
      /for c\.example and names a\.example, \*\.b\.example/,
    ],
    [
      'two labels under a wildcard',
      configOf('s', { certificate: full, key: leaf.key }, { hosts: ['x.y.b.example'] }),
      ['certificate-name-mismatch'],
      true,
      /x\.y\.b\.example/,
    ],
    [
      'no names',
      configOf('s', { ...nameless, certificate: nameless.certificate + root.certificate }),
      ['certificate-without-names'],
      true,
      /names no host/,
    ],
  ]
  for (const [name, config, codes, isUsable, text] of cases) {
    await t.test(name, () => {
      const { certificate, findings } = readCertificate(config)
      assert.deepEqual(
        findings.map(({ code }) => code),
        codes,
      )
      assert.equal(certificate !== null, isUsable)
      assert.match(`${findings[0]?.message} ${findings[0]?.hint}`, text)
      for (const finding of findings) {
        assert.equal(finding.object, 'Secret shop/s')
        assert.equal(
          finding.severity,
          (CERTIFICATE_FINDINGS as Record<string, { severity: string }>)[finding.code]?.severity,
        )
      }
    })
  }
})

test('a chain out of order is served in order, without strangers', () => {
  const jumbled = stranger.certificate + root.certificate + leaf.certificate + intermediate.certificate
  const { certificate } = readCertificate(configOf('s', { certificate: jumbled, key: leaf.key }))
  assert.equal(certificate?.chain, full + root.certificate)
})

test('a chain ends where its first member does', () => {
  const now = Date.now()
  const short = root.issue(['short.example'], { notAfter: now + 5 * DAY_MS })
  const { certificate } = readCertificate(
    configOf('s', { ...short, certificate: short.certificate + root.certificate }),
  )
  assert.ok(certificate)
  assert.deepEqual(
    validityFindings(certificate, now).map(({ code }) => code),
    ['certificate-expires-soon'],
  )
  const [expired] = validityFindings(certificate, now + 6 * DAY_MS)
  assert.equal(expired?.code, 'certificate-expired')
  assert.match(expired?.message ?? '', /expired on \d{4}-\d\d-\d\d$/)
})

test('a common name counts only without alternative names', () => {
  const key = intermediate.key
  const named = root.issue([], { commonName: 'Old.Example', subjectKey: key })
  assert.deepEqual(readCertificate(configOf('s', named)).certificate?.names, ['old.example'])
  const both = root.issue(['new.example'], { commonName: 'old.example', subjectKey: key })
  assert.deepEqual(readCertificate(configOf('s', both)).certificate?.names, ['new.example'])
})

test('control characters of a certificate do not reach a finding', () => {
  const evil = new TestAuthority('evil\u001b[2J\nroot')
  const pair = evil.issue(['a.example'])
  const { findings } = readCertificate(configOf('s', pair))
  assert.match(findings[0]?.message ?? '', /'evil\?\[2J\?root'/)
})

test('host names come into normal form and cover as RFC 9525 says', () => {
  assert.deepEqual(hostNames(['A.Example.', 'a.example', '*.B.example', 'x y', '*', 'a.*.b', '']), [
    'a.example',
    '*.b.example',
  ])
  const names = new Set(['a.example', '*.b.example'])
  for (const host of ['a.example', 'x.b.example', '*.b.example']) assert.ok(coversHost(names, host), host)
  for (const host of ['b.example', 'x.y.b.example', '*.a.example', '*.x.b.example', 'example', 'example.'])
    assert.ok(!coversHost(names, host), host)
})

test('OpenSSL reads the self-signed certificate and takes it for what it says', () => {
  const now = Date.now()
  const { certificate, key } = createSelfSigned({ now, dnsNames: ['a.example', '*.b.example'] })
  const openssl = (args: readonly string[], input: string): string =>
    execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] })
  const text = openssl(['x509', '-noout', '-text'], certificate)
  assert.match(text, /Version: 3/)
  assert.match(text, new RegExp(`Subject: CN = ?${DEFAULT_COMMON_NAME}`))
  assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/)
  assert.match(text, /DNS:a\.example, DNS:\*\.b\.example/)
  assert.match(text, /CA:FALSE/)
  assert.match(text, /TLS Web Server Authentication/)
  assert.match(text, /Digital Signature/)
  const x509 = new X509Certificate(certificate)
  assert.equal(x509.validToDate.getTime(), Math.floor((now + 365 * DAY_MS) / 1000) * 1000)
  assert.ok(x509.verify(x509.publicKey))
  assert.equal(openssl(['pkey', '-pubout'], key), x509.publicKey.export({ type: 'spki', format: 'pem' }))
  const other = createSelfSigned({ now })
  assert.notEqual(new X509Certificate(other.certificate).serialNumber, x509.serialNumber)
  assert.throws(() => createSelfSigned({ now, dnsNames: ['no host'] }), /'no host' is not/)
})

test('a key pair of a test authority is what OpenSSL verifies', () => {
  const x509 = new X509Certificate(leaf.certificate)
  const issuer = new X509Certificate(intermediate.certificate)
  assert.ok(x509.checkIssued(issuer) && x509.verify(issuer.publicKey))
  assert.ok(issuer.ca)
  assert.ok(keyPem(root.key).startsWith('-----BEGIN PRIVATE KEY-----'))
})
