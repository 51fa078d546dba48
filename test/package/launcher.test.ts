import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))

describe('the launcher', () => {
  let root = ''
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'sekisho-launcher-')))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  function put(file: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
    chmodSync(join(root, file), mode)
  }

  /** A Node that prints how it was called and gives a code of its own. */
  function putNode(directory: string): void {
    put(
      `${directory}/node_modules/node/bin/node`,
      '#!/bin/sh\nfor a in "$@"; do echo "$a"; done\nexit 7\n',
      0o755,
    )
  }

  function launch(
    file: string,
    path = '/usr/bin:/bin',
    env: NodeJS.ProcessEnv = {},
  ): { code: number | null; lines: readonly string[]; stderr: string } {
    const result = spawnSync('/bin/sh', [join(root, file), 'up', 'a b'], {
      env: { PATH: path, ...env },
      encoding: 'utf8',
    })
    return {
      code: result.status,
      lines: result.stdout.split('\n').filter((line) => line !== ''),
      stderr: result.stderr,
    }
  }

  function putPackage(directory: string, ...files: string[]): void {
    cpSync(LAUNCHER, join(root, directory, 'bin/sekisho'))
    for (const file of files) put(`${directory}/${file}`, '')
  }

  it('runs the source in a checkout, passes arguments as they are and the exit code back', () => {
    putPackage('.', 'src/cmd/main.ts', 'dist/cmd/main.js')
    putNode('.')
    const { code, lines } = launch('bin/sekisho')
    assert.deepEqual(lines.slice(-3), [join(root, 'src/cmd/main.ts'), 'up', 'a b'])
    assert.ok(lines.slice(0, -3).every((line) => line.startsWith('--')))
    assert.equal(code, 7)
  })

  it('keeps compiled code in a directory of the user, and nowhere where there is none', () => {
    putPackage('.', 'src/cmd/main.ts')
    put('node_modules/node/bin/node', '#!/bin/sh\necho "${NODE_COMPILE_CACHE-none}"\n', 0o755)
    const cacheWith = (env: NodeJS.ProcessEnv) => launch('bin/sekisho', undefined, env).lines
    assert.deepEqual(cacheWith({ HOME: '/home/a' }), ['/home/a/.cache/sekisho'])
    assert.deepEqual(cacheWith({ HOME: '/home/a', XDG_CACHE_HOME: '/c' }), ['/c/sekisho'])
    assert.deepEqual(cacheWith({ HOME: '/home/a', NODE_COMPILE_CACHE: '/own' }), ['/own'])
    assert.deepEqual(cacheWith({}), ['none'])
  })

  it('runs the packed program with a hoisted Node, called through a link', () => {
    putPackage('app/node_modules/sekisho', 'dist/cmd/main.js')
    putNode('app')
    mkdirSync(join(root, 'app/node_modules/.bin'))
    symlinkSync('../sekisho/bin/sekisho', join(root, 'app/node_modules/.bin/sekisho'))
    assert.equal(
      launch('app/node_modules/.bin/sekisho').lines.at(-3),
      join(root, 'app/node_modules/sekisho/dist/cmd/main.js'),
    )
  })

  it('says what to do when the dependencies of a checkout are not installed', () => {
    putPackage('.', 'src/cmd/main.ts', 'package-lock.json')
    put('bin-only/dirname', '#!/bin/sh\nexec /usr/bin/dirname "$@"\n', 0o755)
    const { code, stderr } = launch('bin/sekisho', join(root, 'bin-only'))
    assert.equal(code, 1)
    assert.match(stderr, /run: npm ci --prefix/)
  })

  it('says what to do when the package came without its Node', () => {
    putPackage('.', 'dist/cmd/main.js')
    put('bin-only/dirname', '#!/bin/sh\nexec /usr/bin/dirname "$@"\n', 0o755)
    const { code, stderr } = launch('bin/sekisho', join(root, 'bin-only'))
    assert.equal(code, 1)
    assert.match(stderr, /Node 26 is missing/)
  })

  it('takes a Node 26 from PATH when the pinned one is missing, but no older one', () => {
    putPackage('.', 'dist/cmd/main.js')
    put('bin-only/dirname', '#!/bin/sh\nexec /usr/bin/dirname "$@"\n', 0o755)
    // `-e` asks for the version; everything else is the program.
    put('bin-only/node', '#!/bin/sh\n[ "$1" = -e ] && exit 0\necho "from PATH"\n', 0o755)
    assert.deepEqual(launch('bin/sekisho', join(root, 'bin-only')).lines, ['from PATH'])
    put('bin-only/node', '#!/bin/sh\n[ "$1" = -e ] && exit 1\necho "from PATH"\n', 0o755)
    assert.equal(launch('bin/sekisho', join(root, 'bin-only')).code, 1)
  })
})
