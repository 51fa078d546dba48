import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { watch as watchFile, writeFileSync } from 'node:fs'
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Finding } from '#config/model/finding.ts'
import type { SourcedObject } from '#providers/kubernetes/objects.ts'
import { ManifestSource } from './source.ts'
import type { ManifestSourceOptions } from './source.ts'

function service(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: ${port}\n`
}

const BROKEN = 'apiVersion: v1\nkind: Service\n  oops: [\n'

/** A source on a real directory and what a consumer of its changes holds. */
class Watched {
  readonly objects = new Map<string, SourcedObject>()
  findings: readonly Finding[] = []
  /** Calls so far. */
  changes = 0
  /** Every state that was ever in force. */
  readonly states: string[] = []
  readonly root: string
  readonly #stop = new AbortController()
  #waiting: (() => void)[] = []

  constructor(root: string) {
    this.root = root
  }

  static async start(t: TestContext, root: string, options?: ManifestSourceOptions): Promise<Watched> {
    const watched = new Watched(root)
    t.after(() => watched.#stop.abort())
    await new ManifestSource(root, options).start((change, findings) => {
      for (const object of change.set) watched.objects.set(object.key, object)
      for (const key of change.remove) assert.equal(watched.objects.delete(key), true)
      watched.findings = findings
      watched.changes++
      watched.states.push(watched.state)
      for (const resume of watched.#waiting.splice(0)) resume()
    }, watched.#stop.signal)
    assert.ok(watched.changes > 0, 'start resolves after the first call')
    return watched
  }

  /** `name:port` of all objects, sorted. */
  get state(): string {
    return [...this.objects.values()]
      .map(({ object }) => {
        const ports = object.kind === 'Service' ? object.spec?.ports : undefined
        return `${object.metadata.name}:${ports?.[0]?.port}`
      })
      .sort()
      .join(' ')
  }

  get codes(): string {
    return this.findings.map(({ code }) => code).join(' ')
  }

  async until(isReached: () => boolean, what: () => string): Promise<void> {
    const timer = setTimeout(() => {
      for (const resume of this.#waiting.splice(0)) resume()
    }, 5000)
    const deadline = performance.now() + 5000
    try {
      while (!isReached()) {
        assert.ok(performance.now() < deadline, `waited in vain; is ${what()}`)
        await new Promise<void>((resume) => this.#waiting.push(resume))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async untilState(expected: string): Promise<void> {
    await this.until(
      () => this.state === expected,
      () => `"${this.state}" instead of "${expected}"`,
    )
  }

  async untilCodes(expected: string): Promise<void> {
    await this.until(
      () => this.codes === expected,
      () => `"${this.codes}" instead of "${expected}"`,
    )
  }

  /** A change made after all others is seen: then the others have been looked at too. */
  async settled(): Promise<void> {
    const marker = `m${this.changes}`
    await writeFile(join(this.root, `${marker}.yaml`), service(marker))
    await this.until(
      () => this.objects.has(`Service/default/${marker}`),
      () => this.state,
    )
    await unlink(join(this.root, `${marker}.yaml`))
    await this.until(
      () => !this.objects.has(`Service/default/${marker}`),
      () => this.state,
    )
  }
}

async function temporary(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sekisho-manifests-'))
  t.after(async () => rm(path, { recursive: true, force: true }))
  return path
}

/** A directory with these files, and a source on it. */
async function watching(
  t: TestContext,
  files: Record<string, string>,
  options?: ManifestSourceOptions,
): Promise<Watched> {
  const root = join(await temporary(t), 'manifests')
  await mkdir(root)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return Watched.start(t, root, options)
}

/** Runs the steps; false when the machine was too busy to run them in one go, as a program that writes files does. */
async function promptly(steps: readonly (() => Promise<unknown>)[]): Promise<boolean> {
  let isPrompt = true
  let start = performance.now()
  for (const step of steps) {
    await step()
    if (performance.now() - start > 15) isPrompt = false
    start = performance.now()
  }
  return isPrompt
}

/** Tries until the machine was not too busy for the attempt to prove something; each gets a port of its own. */
async function proveOnce(attempt: (port: number) => Promise<boolean>): Promise<void> {
  for (let port = 1000; port < 1050; port++) if (await attempt(port)) return
  assert.fail('the machine is too busy to prove anything')
}

describe('manifest source, loading', { concurrency: true }, () => {
  test('reads yaml, yml and json at any depth, and nothing that editors and volumes hide', async (t) => {
    const watched = await watching(t, {
      'a.yaml': service('a'),
      'deep/er/b.yml': `${service('b')}---\n${service('b2')}`,
      'c.JSON': JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'c' },
        spec: { ports: [{ port: 80 }] },
      }),
      '.hidden.yaml': service('x'),
      '.git/y.yaml': service('x'),
      'backup.yaml~': service('x'),
      '#lock.yaml#': service('x'),
      'a.yaml.swp': service('x'),
      'notes.txt': service('x'),
    })
    assert.equal(watched.state, 'a:80 b2:80 b:80 c:80')
    assert.equal(watched.codes, '')
  })

  test('finds the place of every value', async (t) => {
    const watched = await watching(t, { 'a.yaml': `# first\n${service('a')}---\n${service('b')}` })
    const file = join(watched.root, 'a.yaml')
    const object = watched.objects.get('Service/default/b')!
    assert.deepEqual(object.place, { file, line: 10, column: 1 })
    assert.deepEqual(object.placeOf(['spec', 'ports', 0, 'port']), { file, line: 16, column: 5 })
    assert.deepEqual(object.placeOf(['metadata', 'annotations', 'x']), { file, line: 12, column: 1 })
    await writeFile(file, `${service('c')}---\n\n${service('b')}`)
    await watched.untilState('b:80 c:80')
    assert.deepEqual(object.placeOf(['spec', 'ports', 0, 'port']), { file, line: 16, column: 5 })
    await writeFile(file, `${service('c')}${'---\n'.repeat(2)}\n\n\n${service('b')}`)
    await watched.settled()
    assert.deepEqual(object.place, { file, line: 13, column: 1 })
    assert.deepEqual(object.placeOf(['metadata', 'name']), { file, line: 16, column: 3 })
  })

  test('takes one file for a directory, whatever its name', async (t) => {
    const root = join(await temporary(t), 'manifests')
    await writeFile(root, service('a'))
    const watched = await Watched.start(t, root)
    assert.equal(watched.state, 'a:80')
    await writeFile(`${root}.new`, service('b'))
    await rename(`${root}.new`, root)
    await watched.untilState('b:80')
  })

  test('loads once and ends where nothing is to be watched', async (t) => {
    let calls = 0
    const watched = await watching(
      t,
      { 'a.yaml': service('a') },
      {
        isWatching: false,
        watch: () => {
          calls++
          throw new Error('not to be called')
        },
      },
    )
    assert.equal(watched.state, 'a:80')
    assert.equal(calls, 0)
  })

  test('tells files that cannot be read, and reads the others', async (t) => {
    const root = await temporary(t)
    await writeFile(join(root, 'a.yaml'), service('a'))
    await writeFile(join(root, 'big.yaml'), `${service('big')}#${'x'.repeat(2000)}\n`)
    await writeFile(join(root, 'latin1.yaml'), Buffer.from(`${service('latin')}# caf\xe9\n`, 'latin1'))
    await writeFile(join(root, 'nul.yaml'), `${service('nul')}# \0\n`)
    execFileSync('mkfifo', [join(root, 'pipe.yaml')])
    await symlink('nowhere', join(root, 'dangling.yaml'))
    const watched = await Watched.start(t, root, { maxFileBytes: 1000 })
    assert.equal(watched.state, 'a:80')
    const told = watched.findings.map(({ code, place, message }) => [
      code,
      place?.file.slice(root.length + 1),
      message,
    ])
    told.sort((a, b) => (a[1]! < b[1]! ? -1 : 1))
    assert.deepEqual(told, [
      ['manifest-unreadable', 'big.yaml', 'is larger than 1000 bytes'],
      ['manifest-unreadable', 'latin1.yaml', 'is neither UTF-8 nor UTF-16 text'],
      ['manifest-unreadable', 'nul.yaml', 'is neither UTF-8 nor UTF-16 text'],
      ['manifest-unreadable', 'pipe.yaml', 'is not a regular file'],
    ])
    await writeFile(join(root, 'big.yaml'), service('big'))
    await watched.untilState('a:80 big:80')
    assert.equal(watched.findings.length, 3)
  })

  test('what is too large or unreadable now keeps its last good objects', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') }, { maxFileBytes: 1000 })
    await appendFile(join(watched.root, 'a.yaml'), '#'.repeat(2000))
    await watched.untilCodes('manifest-unreadable')
    assert.equal(watched.state, 'a:80')
  })

  test('reads byte order marks, UTF-16 and line ends of Windows', async (t) => {
    const root = await temporary(t)
    const crlf = service('a').replaceAll('\n', '\r\n')
    await writeFile(join(root, 'a.yaml'), `\uFEFF${crlf}---\r\n${service('a2')}`)
    await writeFile(join(root, 'b.yaml'), Buffer.from(`\uFEFF${service('b')}`, 'utf16le'))
    const watched = await Watched.start(t, root)
    assert.equal(watched.state, 'a2:80 a:80 b:80')
    assert.equal(watched.objects.get('Service/default/a2')?.place?.line, 9)
  })

  test('follows links, reads each directory once and does not loop', async (t) => {
    const base = await temporary(t)
    await mkdir(join(base, 'real/sub'), { recursive: true })
    await mkdir(join(base, 'root'))
    await writeFile(join(base, 'real/a.yaml'), service('a'))
    await writeFile(join(base, 'real/sub/b.yaml'), service('b'))
    await symlink('../real', join(base, 'root/link1'))
    await symlink('../real', join(base, 'root/link2'))
    await symlink('..', join(base, 'real/sub/up'))
    await symlink('loop', join(base, 'root/loop'))
    const watched = await Watched.start(t, join(base, 'root'))
    assert.equal(watched.state, 'a:80 b:80')
    assert.equal(watched.codes, '')
    // The second link takes over when the first one goes.
    await unlink(join(base, 'root/link1'))
    await watched.until(
      () => watched.objects.get('Service/default/a')?.place?.file === join(base, 'root/link2/a.yaml'),
      () => watched.state,
    )
    await watched.settled()
    assert.equal(watched.state, 'a:80 b:80')
    assert.ok(
      watched.states.every((state) => state.includes('a:80 b:80')),
      'never gone in between',
    )
  })

  test('a directory that is not there yet is told, and read when it comes', async (t) => {
    const base = await temporary(t)
    const watched = await Watched.start(t, join(base, 'later'))
    assert.equal(watched.codes, 'manifest-missing')
    await mkdir(join(base, 'later'))
    await writeFile(join(base, 'later/a.yaml'), service('a'))
    await watched.untilState('a:80')
    assert.equal(watched.codes, '')
  })

  test('not even the parent of the directory need be there', async (t) => {
    const base = await temporary(t)
    const watched = await Watched.start(t, join(base, 'much/later'))
    await mkdir(join(base, 'much/later'), { recursive: true })
    await writeFile(join(base, 'much/later/a.yaml'), service('a'))
    await watched.untilState('a:80')
  })

  test('stops when asked, and makes no call after that', async (t) => {
    const root = await temporary(t)
    await writeFile(join(root, 'a.yaml'), service('a'))
    const stop = new AbortController()
    let calls = 0
    await new ManifestSource(root).start(() => calls++, stop.signal)
    stop.abort()
    const other = await Watched.start(t, root)
    await writeFile(join(root, 'a.yaml'), service('b'))
    await other.untilState('b:80')
    assert.equal(calls, 1)
    let callsAfter = 0
    await new ManifestSource(root).start(() => callsAfter++, AbortSignal.abort())
    assert.equal(callsAfter, 0)
  })
})

describe('manifest source, watching', { concurrency: true }, () => {
  test('a file that comes, changes and goes', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    await writeFile(join(watched.root, 'b.yaml'), service('b'))
    await watched.untilState('a:80 b:80')
    await writeFile(join(watched.root, 'b.yaml'), service('b', 81))
    await watched.untilState('a:80 b:81')
    await unlink(join(watched.root, 'a.yaml'))
    await watched.untilState('b:81')
  })

  test('an editor that renames over, and one that deletes and writes anew', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    const file = join(watched.root, 'a.yaml')
    await writeFile(join(watched.root, '.a.yaml.swp'), service('a', 81))
    await rename(join(watched.root, '.a.yaml.swp'), file)
    await watched.untilState('a:81')
    await writeFile(join(watched.root, 'other.yaml'), service('other'))
    await watched.untilState('a:81 other:80')
    await proveOnce(async (port) => {
      const before = watched.states.length
      const isPrompt = await promptly([
        () => (port % 2 === 0 ? unlink(file) : rename(file, `${file}~`)),
        () => writeFile(file, service('a', port)),
      ])
      await watched.untilState(`a:${port} other:80`)
      if (isPrompt) assert.ok(watched.states.slice(before).every((state) => state.includes('a:')))
      return isPrompt
    })
  })

  test('a file that is emptied and written in parts is never seen less than whole', async (t) => {
    const watched = await watching(t, { 'a.yaml': `${service('a')}---\n${service('b')}` })
    await proveOnce(async (port) => {
      const before = watched.states.length
      const file = await open(join(watched.root, 'a.yaml'), 'w')
      const isPrompt = await promptly([
        () => file.write(service('a', port)),
        () => file.write('---\napiVersion: v1\nkind: Serv'),
        () => file.write(`ice\nmetadata:\n  name: b\nspec:\n  ports:\n  - port: ${port}\n`),
      ])
      await file.close()
      await watched.untilState(`a:${port} b:${port}`)
      const states = watched.states.slice(before)
      if (isPrompt) assert.deepEqual([...new Set(states)], [`a:${port} b:${port}`])
      return isPrompt
    })
  })

  test('a file caught half written keeps what it had until it is whole', async (t) => {
    const watched = await watching(t, { 'a.yaml': `${service('a')}---\n${service('b')}` })
    const path = join(watched.root, 'a.yaml')
    await writeFile(path, `${service('a', 81)}---\napiVersion: v1\nkind: "Serv`)
    await watched.untilCodes('manifest-syntax')
    assert.equal(watched.state, 'a:81 b:80')
    assert.deepEqual(watched.findings[0]?.place, { file: path, line: 10, column: 12 })
    await appendFile(path, 'ice"\nmetadata:\n  name: b\nspec:\n  ports:\n  - port: 81\n')
    await watched.untilState('a:81 b:81')
    assert.equal(watched.codes, '')
  })

  test('the swap of a ConfigMap volume', async (t) => {
    const root = await temporary(t)
    await mkdir(join(root, '..2026_01'))
    await writeFile(join(root, '..2026_01/a.yaml'), service('a'))
    await symlink('..2026_01', join(root, '..data'))
    await symlink('..data/a.yaml', join(root, 'a.yaml'))
    const watched = await Watched.start(t, root)
    assert.equal(watched.state, 'a:80')
    assert.equal(watched.objects.get('Service/default/a')?.place?.file, join(root, 'a.yaml'))
    let previous = '..2026_01'
    // As the kubelet does it, more than once: links followed must be followed anew.
    for (const port of [81, 82, 83]) {
      const next = `..2026_${port}`
      await mkdir(join(root, next))
      await writeFile(join(root, next, 'a.yaml'), service('a', port))
      await writeFile(join(root, next, 'b.yaml'), service('b', port))
      await symlink(next, join(root, '..data_tmp'))
      await rename(join(root, '..data_tmp'), join(root, '..data'))
      await symlink('..data/b.yaml', join(root, 'b.yaml')).catch(() => undefined)
      await rm(join(root, previous), { recursive: true })
      previous = next
      await watched.untilState(`a:${port} b:${port}`)
    }
    assert.equal(watched.codes, '')
    assert.ok(
      watched.states.every((state) => state.includes('a:')),
      'never gone in between',
    )
  })

  test('one file of a ConfigMap volume', async (t) => {
    const root = await temporary(t)
    await mkdir(join(root, '..1'))
    await mkdir(join(root, '..2'))
    await writeFile(join(root, '..1/a.yaml'), service('a'))
    await writeFile(join(root, '..2/a.yaml'), service('a', 81))
    await symlink('..1', join(root, '..data'))
    await symlink('..data/a.yaml', join(root, 'a.yaml'))
    const watched = await Watched.start(t, join(root, 'a.yaml'))
    await symlink('..2', join(root, '..data_tmp'))
    await rename(join(root, '..data_tmp'), join(root, '..data'))
    await watched.untilState('a:81')
  })

  test('a linked file that changes where it really is', async (t) => {
    const base = await temporary(t)
    await mkdir(join(base, 'elsewhere'))
    await mkdir(join(base, 'root'))
    await writeFile(join(base, 'elsewhere/a.yaml'), service('a'))
    await symlink('../elsewhere/a.yaml', join(base, 'root/a.yaml'))
    const watched = await Watched.start(t, join(base, 'root'))
    await writeFile(join(base, 'elsewhere/a.yaml'), service('a', 81))
    await watched.untilState('a:81')
  })

  test('the root as a link that is swapped', async (t) => {
    const base = await temporary(t)
    for (const name of ['one', 'two']) {
      await mkdir(join(base, name))
      await writeFile(join(base, name, 'a.yaml'), service(name))
    }
    await symlink('one', join(base, 'current'))
    const watched = await Watched.start(t, join(base, 'current'))
    assert.equal(watched.state, 'one:80')
    await symlink('two', join(base, 'next'))
    await rename(join(base, 'next'), join(base, 'current'))
    await watched.untilState('two:80')
    await writeFile(join(base, 'two/b.yaml'), service('b'))
    await watched.untilState('b:80 two:80')
  })

  test('a directory on the way to the root as a link that is swapped', async (t) => {
    const base = await temporary(t)
    for (const name of ['one', 'two']) {
      await mkdir(join(base, name, 'manifests'), { recursive: true })
      await writeFile(join(base, name, 'manifests/a.yaml'), service(name))
    }
    await symlink('one', join(base, 'current'))
    const watched = await Watched.start(t, join(base, 'current/manifests'))
    await symlink('two', join(base, 'next'))
    await rename(join(base, 'next'), join(base, 'current'))
    await watched.untilState('two:80')
  })

  test('directories that come with files in them, move, and go', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    const { root } = watched
    await mkdir(join(root, 'x/y'), { recursive: true })
    await writeFile(join(root, 'x/y/b.yaml'), service('b'))
    await watched.untilState('a:80 b:80')
    await writeFile(join(root, 'x/y/b.yaml'), service('b', 81))
    await watched.untilState('a:80 b:81')
    await rename(join(root, 'x'), join(root, 'z'))
    await watched.until(
      () => watched.objects.get('Service/default/b')?.place?.file === join(root, 'z/y/b.yaml'),
      () => watched.state,
    )
    assert.ok(
      watched.states.slice(1).every((state) => state.includes('b:')),
      'never gone in between',
    )
    await writeFile(join(root, 'z/y/b.yaml'), service('b', 82))
    await watched.untilState('a:80 b:82')
    await rm(join(root, 'z'), { recursive: true })
    await watched.untilState('a:80')
  })

  test('a directory that is replaced, even by one with the same inode', async (t) => {
    const watched = await watching(t, { 'sub/a.yaml': service('a') })
    const sub = join(watched.root, 'sub')
    for (const port of [81, 82, 83]) {
      await rm(sub, { recursive: true })
      await mkdir(sub)
      await writeFile(join(sub, 'a.yaml'), service('a', port))
      await watched.untilState(`a:${port}`)
      await writeFile(join(sub, 'a.yaml'), service('a', port + 10))
      await watched.untilState(`a:${port + 10}`)
    }
    await mkdir(`${sub}.new`)
    await writeFile(join(`${sub}.new`, 'b.yaml'), service('b'))
    await rename(sub, join(watched.root, '.old'))
    await rename(`${sub}.new`, sub)
    await watched.untilState('b:80')
    await writeFile(join(sub, 'b.yaml'), service('b', 81))
    await watched.untilState('b:81')
  })

  test('while the root is gone everything stays; when it is back it counts again', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a'), 'b.yaml': service('b') })
    const { root } = watched
    await rm(root, { recursive: true })
    await watched.untilCodes('manifest-missing')
    assert.equal(watched.state, 'a:80 b:80')
    await mkdir(root)
    await writeFile(join(root, 'a.yaml'), service('a', 81))
    await watched.untilState('a:81')
    assert.equal(watched.codes, '')
    await writeFile(join(root, 'c.yaml'), service('c'))
    await watched.untilState('a:81 c:80')
  })

  test('the root replaced by another directory', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    await mkdir(`${watched.root}.new`)
    await writeFile(join(`${watched.root}.new`, 'b.yaml'), service('b'))
    await rename(watched.root, `${watched.root}.old`)
    await rename(`${watched.root}.new`, watched.root)
    await watched.untilState('b:80')
    await writeFile(join(watched.root, 'b.yaml'), service('b', 81))
    await watched.untilState('b:81')
  })

  test('a touch, or the same text again, is no change', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    const before = watched.changes
    const file = join(watched.root, 'a.yaml')
    await utimes(file, new Date(), new Date())
    await writeFile(file, await readFile(file))
    await chmod(file, 0o600)
    await watched.settled()
    // Only the marker's coming and going.
    assert.equal(watched.changes, before + 2)
  })

  test('many files at once become few changes', async (t) => {
    const watched = await watching(t, {})
    const names = Array.from({ length: 600 }, (_, index) => `s${index}`)
    for (const name of names) writeFileSync(join(watched.root, `${name}.yaml`), service(name))
    await watched.until(
      () => watched.objects.size === 600,
      () => `${watched.objects.size}`,
    )
    assert.ok(watched.changes < 20, `${watched.changes} changes`)
  })

  test('a broken document is told with its place while the others go on', async (t) => {
    const watched = await watching(t, { 'a.yaml': `${service('a')}---\n${service('b')}` })
    const file = join(watched.root, 'a.yaml')
    await writeFile(file, `${service('a')}---\n${BROKEN}---\n${service('c')}`)
    await watched.untilState('a:80 b:80 c:80')
    const [finding] = watched.findings
    assert.equal(finding?.code, 'manifest-syntax')
    assert.equal(finding?.object, file)
    assert.deepEqual(finding?.place, { file, line: 10, column: 7 })
    assert.equal(finding?.message, 'nested mappings are not allowed in compact mappings')
  })

  for (const code of ['ENOSPC', 'EMFILE']) {
    test(`looks at intervals when the kernel gives no more watches (${code})`, async (t) => {
      const failing = (): never => {
        throw Object.assign(new Error(`${code}: no more watches`), { code })
      }
      const watched = await watching(t, { 'a.yaml': service('a') }, { watch: failing })
      assert.equal(watched.codes, 'manifest-watch')
      assert.match(watched.findings[0]?.hint ?? '', /fs\.inotify\.max_user_watches/)
      await writeFile(join(watched.root, 'a.yaml'), service('a', 81))
      await watched.untilState('a:81')
      await mkdir(join(watched.root, 'sub'))
      await writeFile(join(watched.root, 'sub/b.yaml'), service('b'))
      await watched.untilState('a:81 b:80')
      await unlink(join(watched.root, 'a.yaml'))
      await watched.untilState('b:80')
    })
  }

  test('a watch that fails later turns to looking at intervals', async (t) => {
    const watchers: ReturnType<typeof watchFile>[] = []
    const watched = await watching(
      t,
      { 'a.yaml': service('a') },
      {
        watch: (path, listener) => {
          const watcher = watchFile(path, listener)
          watchers.push(watcher)
          return watcher
        },
      },
    )
    for (const watcher of watchers) watcher.emit('error', new Error('gone'))
    await watched.untilCodes('manifest-watch')
    await writeFile(join(watched.root, 'a.yaml'), service('a', 81))
    await watched.untilState('a:81')
  })

  test('prints how long a change takes', async (t) => {
    const watched = await watching(t, { 'a.yaml': service('a') })
    const times: number[] = []
    for (let port = 100; port < 120; port++) {
      const start = performance.now()
      await writeFile(join(watched.root, 'a.yaml'), service('a', port))
      await watched.untilState(`a:${port}`)
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    t.diagnostic(
      `file event to change: median ${times[10]!.toFixed(1)} ms, slowest ${times[19]!.toFixed(1)} ms`,
    )
  })
})
