/**
 * Manifests to dynamic configuration: each `kubernetes/CASE.yaml` gives exactly `kubernetes/CASE.json`, in whatever
 * order and in however many steps its objects come, and nothing is left when they go. A first line `# options: {…}`
 * sets options of the translation. UPDATE_GOLDEN=1 writes the expected files; read them before committing.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FINDING_CODES } from '#providers/kubernetes/finding-codes.ts'
import { KubernetesTranslator, type TranslatorOptions } from '#providers/kubernetes/translator.ts'
import { checkMiddleware } from '#proxy/middleware/registry.ts'
import { checkService } from '#proxy/upstream/check.ts'
import { Accumulated, readObjects, summary } from './kubernetes-objects.ts'

const folder = join(import.meta.dirname, 'kubernetes')
const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -5))

interface CaseOptions extends Partial<Omit<TranslatorOptions, 'backends'>> {
  /** Short for `classes` of a directory. */
  readonly ingressClass?: string
  /** `namespace/service:port` to `host:port`. */
  readonly backends?: Readonly<Record<string, string>>
}

function readCase(name: string): { text: string; options: TranslatorOptions } {
  const text = readFileSync(join(folder, `${name}.yaml`), 'utf8')
  const header = /^# options: (.*)$/m.exec(text)?.[1]
  const given = (header === undefined ? {} : JSON.parse(header)) as CaseOptions
  const { backends = {}, ingressClass, ...rest } = given
  return {
    text,
    options: {
      ...(ingressClass === undefined ? {} : { classes: { kind: 'directory', only: ingressClass } }),
      ...rest,
      providerName: 'kubernetes',
      backends: (namespace, service, port) => {
        const found = backends[`${namespace}/${service}:${port}`] ?? backends[`${namespace}/${service}`]
        if (found === undefined) return []
        const colon = found.lastIndexOf(':')
        return [{ host: found.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(found.slice(colon + 1)) }]
      },
    },
  }
}

describe('a directory of Kubernetes manifests', () => {
  assert.ok(cases.length >= 40, `only ${cases.length} cases`)

  for (const name of cases) {
    const { text, options } = readCase(name)
    const expectedFile = join(folder, `${name}.json`)
    const objects = readObjects(text, `${name}.yaml`)

    it(`${name} gives the expected configuration`, () => {
      const state = new Accumulated()
      const { delta, findings } = new KubernetesTranslator(options).apply({ set: objects, remove: [] })
      state.apply(delta)
      const actual = summary(state, findings)
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expectedFile, actual)
      assert.equal(actual, readFileSync(expectedFile, 'utf8'))
      for (const router of state.routers.values()) {
        if (router.service === undefined) {
          assert.ok(
            router.closed !== undefined || router.middlewares.length > 0,
            `${router.name} answers nothing`,
          )
        } else assert.ok(state.services.has(router.service), `${router.name} names ${router.service}`)
        for (const middleware of router.middlewares) {
          assert.ok(state.middlewares.has(middleware), `${router.name} names ${middleware}`)
        }
      }
      for (const middleware of state.middlewares.values()) checkMiddleware(middleware)
      for (const service of state.services.values()) assert.deepEqual(checkService(service), [])
    })

    it(`${name} gives the same object by object, backwards, and after each was there twice`, () => {
      const expected = new Accumulated()
      const whole = new KubernetesTranslator(options).apply({ set: objects, remove: [] })
      expected.apply(whole.delta)
      const stepwise = new KubernetesTranslator(options)
      const state = new Accumulated()
      let findings = whole.findings
      const step = (set: typeof objects, remove: string[]): void => {
        const result = stepwise.apply({ set, remove })
        state.apply(result.delta)
        findings = result.findings
      }
      for (const object of objects.toReversed()) step([object], [])
      for (const object of objects) {
        step([], [object.key])
        step([object], [])
      }
      assert.deepEqual(parts(summary(state, findings)), parts(summary(expected, whole.findings)))
      for (const object of objects) step([], [object.key])
      assert.equal(summary(state, findings), summary(new Accumulated(), []))
    })

    it(`${name} gives no change when nothing changed`, () => {
      const translator = new KubernetesTranslator(options)
      translator.apply({ set: objects, remove: [] })
      assert.deepEqual(translator.apply({ set: objects, remove: [] }).delta, {})
      assert.deepEqual(translator.apply({ set: [], remove: [] }).delta, {})
    })
  }
})

it('every kind of finding has a case', () => {
  const seen = new Set<string>()
  for (const name of cases) {
    const { findings } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as {
      findings: string[]
    }
    for (const finding of findings) seen.add(/^\w+ ([a-z0-9-]+)/.exec(finding)?.[1] ?? '')
  }
  assert.deepEqual([...seen].toSorted(), Object.keys(FINDING_CODES))
})

/** Findings in an order that does not depend on the order of changes. */
function parts(text: string): unknown {
  const value = JSON.parse(text) as { findings: string[] }
  return { ...value, findings: value.findings.toSorted() }
}
