import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SourcedObject } from '#providers/kubernetes/objects.ts'
import { ManifestStore } from './store.ts'

const NOWHERE = { locate: () => undefined }

function service(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: ${port}\n`
}

function join(...documents: string[]): string {
  return documents.join('---\n')
}

function key(name: string): string {
  return `Service/default/${name}`
}

/** A store and what a consumer of its changes holds. */
class Consumer {
  readonly store = new ManifestStore(NOWHERE)
  readonly objects = new Map<string, SourcedObject>()
  /** Keys set and removed by the last change. */
  set: string[] = []
  removed: string[] = []

  update(file: string, ...documents: string[]): void {
    this.store.update(file, join(...documents))
    this.take()
  }

  remove(file: string): void {
    this.store.remove(file)
    this.take()
  }

  take(): void {
    const { set, remove } = this.store.takeChange()
    for (const object of set) this.objects.set(object.key, object)
    for (const gone of remove) assert.equal(this.objects.delete(gone), true, `${gone} removed but never set`)
    this.set = set.map((object) => object.key.replace('Service/default/', ''))
    this.removed = remove.map((gone) => gone.replace('Service/default/', ''))
  }

  /** `name:port` of all objects, sorted. */
  get state(): string {
    return [...this.objects.values()]
      .map(({ object }) => {
        assert.equal(object.kind, 'Service')
        const ports = object.kind === 'Service' ? object.spec?.ports : undefined
        return `${object.metadata.name}:${ports?.[0]?.port}`
      })
      .sort()
      .join(' ')
  }

  get codes(): string[] {
    return this.store.findings().map(({ code, place }) => `${code}@${place?.file}:${place?.line}`)
  }

  placeOf(name: string): string {
    const { file, line } = this.objects.get(key(name))!.place!
    return `${file}:${line}`
  }
}

const BROKEN = 'apiVersion: v1\nkind: Service\n  oops: [\n'

describe('manifest store', () => {
  test('hands out what is new, what differs, and what is gone, and nothing else', () => {
    const consumer = new Consumer()
    consumer.update('a', service('x'), service('y'))
    assert.deepEqual([consumer.set, consumer.removed], [['x', 'y'], []])
    consumer.update('a', service('x'), service('y', 81))
    assert.deepEqual([consumer.set, consumer.removed], [['y'], []])
    consumer.update('a', `# a comment\n${service('x')}`, service('y', 81))
    assert.deepEqual([consumer.set, consumer.removed], [[], []])
    consumer.update('a', service('y', 81))
    assert.deepEqual([consumer.set, consumer.removed], [[], ['x']])
    consumer.remove('a')
    assert.deepEqual([consumer.set, consumer.removed], [[], ['y']])
    assert.equal(consumer.store.size, 0)
  })

  test('the same text again is known', () => {
    const store = new ManifestStore(NOWHERE)
    assert.equal(store.update('a', service('x')), true)
    assert.equal(store.update('a', service('x')), false)
    store.remove('a')
    assert.equal(store.update('a', service('x')), true)
  })

  test('places follow the text without a change', () => {
    const consumer = new Consumer()
    consumer.update('a', service('x'), service('y'))
    assert.equal(consumer.placeOf('y'), 'a:9')
    consumer.update('a', `\n\n${service('x')}`, service('y'))
    assert.equal(consumer.placeOf('y'), 'a:11')
    // The object's own document changed, the object did not.
    assert.equal(consumer.placeOf('x'), 'a:3')
    assert.deepEqual(consumer.set, [])
  })

  describe('last good version', () => {
    const cases: readonly [string, readonly string[], readonly string[], string][] = [
      [
        'of a broken document',
        [service('x'), service('y'), service('z')],
        [service('x'), BROKEN, service('z', 81)],
        'x:80 y:80 z:81',
      ],
      [
        'while a neighbour changes too',
        [service('x'), service('y')],
        [BROKEN, service('y', 81)],
        'x:80 y:81',
      ],
      [
        'while another is deleted on purpose',
        [service('x'), service('y'), service('z')],
        [`${BROKEN}# y\n`, service('z')],
        'y:80 z:80',
      ],
      ['while another comes', [service('x')], [service('n'), BROKEN], 'n:80 x:80'],
      [
        'of two documents that were joined by mistake',
        [service('x'), service('y'), service('z')],
        [service('x') + service('y'), service('z')],
        'x:80 y:80 z:80',
      ],
      [
        'of what followed a broken end, for the file may be cut',
        [service('x'), service('y'), service('z')],
        [service('x'), 'apiVersion: v1\nkind: "Ser'],
        'x:80 y:80 z:80',
      ],
      ['of the only document', [service('x')], [BROKEN], 'x:80'],
      [
        'of an object with a wrong field',
        [service('x'), service('y')],
        [service('x').replace('80', 'http'), service('y')],
        'x:80 y:80',
      ],
      ['of an object of an unknown version', [service('x')], [service('x').replace('v1', 'v7')], 'x:80'],
      ['not when a document was replaced', [service('x')], [service('y')], 'y:80'],
      ['not when it was deleted', [service('x'), service('y')], [service('y')], 'y:80'],
      [
        'not of what is good elsewhere in the file',
        [service('x'), service('y')],
        [service('y'), `${BROKEN}# y\n`, service('x', 81)],
        'x:81 y:80',
      ],
    ]
    for (const [name, before, after, expected] of cases) {
      test(name, () => {
        const consumer = new Consumer()
        consumer.update('a', ...before)
        consumer.update('a', ...after)
        assert.equal(consumer.state, expected)
      })
    }

    test('stays through several broken versions and is replaced by the mended one', () => {
      const consumer = new Consumer()
      consumer.update('a', service('x'))
      const first = consumer.objects.get(key('x'))
      consumer.update('a', BROKEN)
      consumer.update('a', `# still\n${BROKEN}`)
      assert.equal(consumer.state, 'x:80')
      assert.deepEqual(consumer.codes, ['manifest-syntax@a:3'])
      consumer.update('a', `\n${service('x')}`)
      assert.deepEqual(consumer.codes, [])
      // Nothing differs from what the consumer has, and its place is right again.
      assert.equal(consumer.objects.get(key('x')), first)
      assert.equal(consumer.placeOf('x'), 'a:2')
      consumer.update('a', service('x', 81))
      assert.equal(consumer.state, 'x:81')
    })

    test('goes when the broken document is deleted', () => {
      const consumer = new Consumer()
      consumer.update('a', service('x'), service('y'))
      consumer.update('a', service('x'), BROKEN)
      consumer.update('a', service('x'))
      assert.equal(consumer.state, 'x:80')
    })

    test('yields to a good one in another file', () => {
      const consumer = new Consumer()
      consumer.update('a', service('x'))
      consumer.update('a', BROKEN)
      consumer.update('b', service('x', 81))
      assert.equal(consumer.state, 'x:81')
      assert.deepEqual(consumer.codes, ['manifest-syntax@a:2'])
    })

    test('of one item of a list', () => {
      const list = (x: string, y: string): string =>
        `apiVersion: v1\nkind: List\nitems:\n${[x, y].map((text) => `- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`).join('')}`
      const consumer = new Consumer()
      consumer.update('a', list(service('x'), service('y')))
      consumer.update('a', list(service('x').replace('80', 'http'), service('y', 81)))
      assert.equal(consumer.state, 'x:80 y:81')
      consumer.update('a', list(service('x').replace('name: x', 'nme: x'), service('y', 82)))
      assert.equal(consumer.state, 'x:80 y:82')
    })
  })

  describe('the same object twice', () => {
    test('the first in order of file and document counts, the others are told', () => {
      const consumer = new Consumer()
      consumer.update('b', service('x', 2), service('x', 3))
      assert.equal(consumer.state, 'x:2')
      assert.deepEqual(consumer.codes, ['manifest-duplicate@b:9'])
      consumer.update('a', service('x', 1))
      assert.equal(consumer.state, 'x:1')
      assert.deepEqual(consumer.codes, ['manifest-duplicate@b:1', 'manifest-duplicate@b:9'])
      const [finding] = consumer.store.findings()
      assert.equal(finding?.object, 'Service default/x')
      assert.equal(finding?.message, 'is already written at a:1, which counts; this one is ignored')
      consumer.remove('a')
      assert.equal(consumer.state, 'x:2')
      consumer.update('b', service('x', 3))
      assert.equal(consumer.state, 'x:3')
      assert.deepEqual(consumer.codes, [])
    })

    test('documents that change places change what counts', () => {
      const consumer = new Consumer()
      consumer.update('a', service('x', 1), service('x', 2))
      consumer.update('a', service('x', 2), service('x', 1))
      assert.equal(consumer.state, 'x:2')
    })

    test('in one list', () => {
      const consumer = new Consumer()
      const item = (port: number): string => `- ${service('x', port).trimEnd().replaceAll('\n', '\n  ')}\n`
      consumer.update('a', `apiVersion: v1\nkind: List\nitems:\n${item(1)}${item(2)}`)
      assert.equal(consumer.state, 'x:1')
      assert.deepEqual(consumer.codes, ['manifest-duplicate@a:11'])
    })

    test('one that moves to another file is set with its new place', () => {
      const consumer = new Consumer()
      consumer.update('a', service('x'))
      consumer.store.update('b', service('x'))
      consumer.store.remove('a')
      consumer.take()
      assert.deepEqual([consumer.set, consumer.removed], [['x'], []])
      assert.equal(consumer.placeOf('x'), 'b:1')
    })
  })

  test('kinds that nothing reads are counted and named once', () => {
    const consumer = new Consumer()
    const deployment = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n'
    consumer.update('a', service('x'), deployment)
    consumer.update('b', deployment.replace('name: a', 'name: b'))
    const [finding, ...others] = consumer.store.findings()
    assert.deepEqual(others, [])
    assert.equal(finding?.object, 'apps/v1 Deployment')
    assert.equal(finding?.severity, 'info')
    assert.equal(finding?.message, '2 objects of this kind are not read')
    assert.deepEqual(finding?.place, { file: 'a', line: 9, column: 1 })
    consumer.update('a', service('x'))
    assert.equal(consumer.store.findings()[0]?.message, 'one object of this kind is not read')
    consumer.remove('b')
    assert.deepEqual(consumer.store.findings(), [])
  })

  test('any order of updates ends where a fresh store begins', () => {
    let state = 12_345
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return Math.floor((state / 2_147_483_648) * below)
    }
    for (let round = 0; round < 50; round++) {
      const files = new Map<string, string>()
      const consumer = new Consumer()
      for (let step = 0; step < 30; step++) {
        const file = `f${random(3)}`
        if (random(6) === 0) {
          files.delete(file)
          consumer.remove(file)
        } else {
          const documents = Array.from({ length: random(4) }, () => service(`s${random(5)}`, 80 + random(2)))
          files.set(file, join(...documents))
          consumer.update(file, ...documents)
        }
        const fresh = new Consumer()
        for (const [name, text] of files) fresh.store.update(name, text)
        fresh.take()
        assert.equal(consumer.state, fresh.state)
        assert.deepEqual(consumer.codes.sort(), fresh.codes.sort())
        for (const each of fresh.objects.keys()) {
          assert.deepEqual(consumer.objects.get(each)?.place, fresh.objects.get(each)?.place)
        }
      }
    }
  })

  describe('an Ingress whose annotations are of a wrong shape', () => {
    const ingress = (path: string, annotations = ''): string =>
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n${annotations}` +
      `spec:\n  rules:\n  - http:\n      paths:\n      - {path: ${path}, pathType: Prefix}\n`
    const wrong = '  annotations:\n    good: x\n    nginx.ingress.kubernetes.io/auth-url: {a: b}\n'
    const notEvenThat = '  annotations: [a]\n'
    /** `path`, with a `!` where nobody is let in. */
    const served = (consumer: Consumer): string => {
      const sourced = consumer.objects.get('Ingress/default/web')
      const object = sourced?.object
      if (object?.kind !== 'Ingress') return 'nothing'
      const path = object.spec?.rules?.[0]?.http?.paths?.[0]?.path ?? ''
      return sourced?.closed === undefined ? path : `${path}!`
    }
    const histories: readonly [string, readonly (readonly string[])[], string][] = [
      ['is there, but lets nobody in', [[ingress('/a', wrong)]], '/a!'],
      ['is there when it has none that can be read', [[ingress('/a', notEvenThat)]], '/a!'],
      ['stays as it was last good', [[ingress('/a')], [ingress('/b', wrong)]], '/a'],
      [
        'follows its paths while there was no good one',
        [[ingress('/a', wrong)], [ingress('/b', wrong)]],
        '/b!',
      ],
      ['stays through a broken document', [[ingress('/a', wrong)], [BROKEN.replace('oops', 'web')]], '/a!'],
      ['is let in when it is mended', [[ingress('/a', wrong)], [ingress('/a')]], '/a'],
      ['goes when it is gone', [[ingress('/a', wrong)], [service('x')]], 'nothing'],
      ['is let in where another document has a good one', [[ingress('/a', wrong), ingress('/b')]], '/b'],
      ['is left out when more than annotations is wrong', [[ingress('[1]', wrong)]], 'nothing'],
    ]
    for (const [title, versions, expected] of histories) {
      test(title, () => {
        const consumer = new Consumer()
        for (const version of versions) consumer.update('a', ...version)
        assert.equal(served(consumer), expected)
        consumer.remove('a')
        assert.equal(served(consumer), 'nothing')
        assert.equal(consumer.store.size, 0)
      })
    }

    test('is told as an error', () => {
      const consumer = new Consumer()
      consumer.update('a', ingress('/a', wrong))
      assert.deepEqual(consumer.codes, ['manifest-field@a:7'])
      consumer.update('a', `# moved\n${ingress('/a', wrong)}`)
      assert.deepEqual(consumer.set, [], 'the same is no change')
    })
  })
})
