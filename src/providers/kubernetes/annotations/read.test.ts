import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Report } from '../findings.ts'
import type { SourcedObject } from '../objects.ts'
import { FOREIGN_PREFIXES, looksRestricting } from './foreign.ts'
import { NGINX_OTHER_ROWS } from './nginx-rest.ts'
import { judgeServiceAnnotation, NGINX_PREFIX, OLD_PREFIX, readAnnotations, TRAEFIK_PREFIX } from './read.ts'

function read(annotations: Record<string, string>): {
  closed: string | undefined
  codes: string[]
  ignored: string[]
} {
  const place = { file: 'x.yaml', line: 1, column: 1 }
  const sourced: SourcedObject = {
    key: 'Ingress/default/web',
    kind: 'Ingress',
    object: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web', annotations } },
    place,
    placeOf: () => place,
  }
  const report = new Report()
  const { options, ignored } = readAnnotations(sourced, undefined, report)
  return {
    closed: options.closed,
    codes: report.drafts.map((draft) => draft.code),
    ignored: ignored.map((one) => one.status),
  }
}

describe('annotations that restrict access', () => {
  const closing = NGINX_OTHER_ROWS.filter((row) => row.status === 'closes')

  for (const prefix of [NGINX_PREFIX, OLD_PREFIX]) {
    it(`all close below ${prefix}, with one finding each`, () => {
      assert.ok(closing.length > 40)
      for (const { name } of closing) {
        const result = read({ [prefix + name]: 'something' })
        assert.equal(result.closed, `annotation ${prefix}${name} is not supported yet`)
        assert.deepEqual(result.codes, ['annotation-not-supported'])
      }
    })
  }

  it('do not close when empty', () => {
    for (const { name } of closing) assert.deepEqual(read({ [NGINX_PREFIX + name]: ' ' }).codes, [])
  })

  it('close by the looks of their name below every other prefix', () => {
    const prefixes = [NGINX_PREFIX, OLD_PREFIX, TRAEFIK_PREFIX, ...FOREIGN_PREFIXES.map((one) => one.prefix)]
    for (const prefix of prefixes) {
      for (const name of ['auth-new', 'limit-new', 'whitelist-x', 'deny-list', 'oauth2-proxy', 'waf-rules']) {
        assert.notEqual(read({ [prefix + name]: 'x' }).closed, undefined, prefix + name)
      }
    }
  })

  it('are not seen in names that only sound alike', () => {
    for (const name of [
      'author',
      'unlimited',
      'proxy-buffering',
      'authority-header',
      'rewrite-target',
      'delimiter',
    ]) {
      assert.ok(!looksRestricting(name), name)
    }
  })

  it('are nobody’s business below unknown prefixes', () => {
    assert.deepEqual(read({ 'example.com/auth-type': 'basic', 'auth-type': 'basic' }), {
      closed: undefined,
      codes: [],
      ignored: [],
    })
  })
})

describe('switching off', () => {
  const rows: readonly [name: string, off: string, on: string][] = [
    ['limit-rps', '0', '1'],
    ['limit-rps', '0', '00x'],
    ['enable-modsecurity', 'false', 'maybe'],
    ['satisfy', 'all', 'any'],
    ['auth-tls-verify-client', 'off', 'optional'],
    ['whitelist-source-range', '0.0.0.0/0, ::/0', '0.0.0.0/0'],
    ['ssl-passthrough', 'false', 'true'],
    ['proxy-ssl-verify', 'off', 'on'],
  ]
  for (const [name, off, on] of rows) {
    it(`${name}: ${off} keeps nobody out, ${on} may`, () => {
      assert.equal(read({ [NGINX_PREFIX + name]: off }).closed, undefined)
      assert.notEqual(read({ [NGINX_PREFIX + name]: on }).closed, undefined)
    })
  }
})

describe('annotations of a Service', () => {
  const rows: readonly [annotation: string, value: string, judgement: string | undefined][] = [
    ['traefik.ingress.kubernetes.io/service.middlewares', 'a@b', 'closes'],
    ['traefik.ingress.kubernetes.io/service.middlewares', 'off', 'closes'],
    ['traefik.ingress.kubernetes.io/service.middlewares', '', undefined],
    ['traefik.ingress.kubernetes.io/service.sticky.cookie', 'true', 'later'],
    ['konghq.com/plugins', 'key-auth', 'closes'],
    ['nginx.ingress.kubernetes.io/auth-type', 'basic', 'misplaced'],
    ['service.beta.kubernetes.io/aws-load-balancer-type', 'nlb', undefined],
  ]
  for (const [annotation, value, judgement] of rows) {
    it(`${annotation}: ${JSON.stringify(value)} is ${judgement ?? 'nothing'}`, () => {
      assert.equal(judgeServiceAnnotation(annotation, value), judgement)
    })
  }
})
