import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { sekisho } from './run.ts'

const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8
spec:
  tls:
    - hosts: [a.example]
      secretName: missing
  rules:
    - host: a.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: { service: { name: web, port: { number: 80 } } }
`
const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
`

describe('sekisho check', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sekisho-check-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  function put(file: string, text: string): void {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }

  it('prints each finding with file, line and column, a summary, and ends with 1 when there are errors', async () => {
    put('m/web.yaml', INGRESS)
    put('m/service.yaml', SERVICE)
    const { code, stdout, stderr } = await sekisho(['check', 'm'], root)
    assert.equal(stderr, '')
    assert.match(
      stdout,
      /^m\/web\.yaml:6:\d+: error: Ingress default\/web: .*whitelist-source-range.*\[annotation-not-supported\]$/m,
    )
    assert.match(stdout, /^m\/web\.yaml:10:\d+: \w+: .*missing.*\[tls-secret-not-found\]$/m)
    assert.match(stdout, /^m\/service\.yaml:\d+:\d+: warning: .*\[service-without-endpoints\]$/m)
    assert.match(stdout, /--backend default\/web:80=HOST:PORT/)
    assert.match(stdout, /^m: 1 router, 1 service, 0 certificates; \d+ errors?, \d+ warnings?, \d+ notes?$/m)
    assert.equal(code, 1)
  })

  it('reports a broken document at its place and goes on with the rest', async () => {
    put('m/broken.yaml', `${SERVICE}---\nkind: [unclosed\n`)
    const { code, stdout } = await sekisho(['check', 'm', '--backend=default/web=127.0.0.1:1'], root)
    assert.match(stdout, /^m\/broken\.yaml:[67]:\d+: error: .*\[manifest-syntax\]$/m)
    assert.equal(code, 1)
  })

  it('ends with 0 when nothing is wrong', async () => {
    put('m/web.yaml', INGRESS.replace(/ {2}annotations:\n.*\n/, '').replace(/ {2}tls:\n.*\n.*\n/, ''))
    put('m/service.yaml', SERVICE)
    const { code, stdout } = await sekisho(['check', 'm', '--backend=default/web=127.0.0.1:1'], root)
    assert.equal(stdout, 'm: 1 router, 1 service, 0 certificates; 0 errors, 0 warnings, 0 notes\n')
    assert.equal(code, 0)
  })

  it('takes a single file, and an empty directory', async () => {
    put('m/service.yaml', SERVICE)
    mkdirSync(join(root, 'empty'))
    assert.equal((await sekisho(['check', 'm/service.yaml'], root)).code, 0)
    assert.match((await sekisho(['check', 'empty'], root)).stdout, /0 routers/)
  })
})
