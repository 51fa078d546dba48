/**
 * Checks what the compiler and the linter do not know about this repository: which way imports point between the
 * layers of src/, names that are not used for folders and files, file sizes, header comments, and that every
 * middleware and balancer folder is in its registry. Prints one line per problem; exit code 1 when there is any.
 *
 * The layers, lowest first, are those of ARCHITECTURE.md. Type imports count as imports.
 */
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dirname, join, relative, resolve } from 'node:path'

/** Folders of one entry are siblings: they do not import each other. */
export const LAYERS: readonly (readonly string[])[] = [
  ['lib'],
  ['wire'],
  ['observe'],
  ['net'],
  ['client'],
  ['config'],
  ['kube', 'certs'],
  ['proxy', 'lb', 'services', 'pods', 'dns'],
  ['providers'],
  ['explain'],
  ['api'],
  ['cmd'],
]

const MAX_LINES = 800
const EXCEPTIONS_FILE = 'tools/layout-exceptions.json'
const BANNED_NAMES = /^(utils?|common|misc|helpers?|shared-utils?)(\.|$)/
const CODE = 'src/**/*.ts'
const ALL_CODE = ['src/**/*.ts', 'test/**/*.ts', 'tools/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts']
/** Modules that do I/O: not for the layers that have none. */
const IO_MODULES = new Set([
  'net',
  'tls',
  'fs',
  'fs/promises',
  'http',
  'https',
  'http2',
  'dgram',
  'dns',
  'child_process',
])

export interface Problem {
  readonly file: string
  readonly message: string
}

/** Every problem of the tree below `root`, which ends with a slash or not. */
export function checkLayout(root: string): readonly Problem[] {
  const problems: Problem[] = []
  const report = (file: string, message: string): void => {
    problems.push({ file, message })
  }
  const exceptions = readExceptions(root)
  const dependencies = runtimeDependencies(root)
  const files = globSync(ALL_CODE, { cwd: root, exclude: (name) => name === 'node_modules' }).toSorted()
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8')
    checkName(file, report)
    checkSize(file, text, exceptions, report)
    if (!file.endsWith('.test.ts') && !/^(#!.*\n)?\s*(\/\*|\/\/)/.test(text))
      report(file, 'has no header comment')
  }
  for (const file of globSync(CODE, { cwd: root }).toSorted()) {
    for (const specifier of importsOf(readFileSync(join(root, file), 'utf8'))) {
      const message = importProblem(file, specifier, dependencies)
      if (message !== undefined) report(file, message)
    }
  }
  for (const kind of ['src/proxy/middleware', 'src/proxy/balancer']) checkRegistry(root, kind, report)
  for (const file of Object.keys(exceptions)) {
    if (!existsSync(join(root, file))) report(EXCEPTIONS_FILE, `names ${file}, which does not exist`)
  }
  return problems
}

type Report = (file: string, message: string) => void

function checkName(file: string, report: Report): void {
  for (const part of file.split('/')) {
    if (BANNED_NAMES.test(part))
      report(file, `${part} says nothing about its content; name it for what it is`)
    if (!/^[a-z0-9][a-z0-9.-]*$/.test(part)) report(file, `${part} is not kebab-case`)
  }
}

function checkSize(
  file: string,
  text: string,
  exceptions: Readonly<Record<string, string>>,
  report: Report,
): void {
  const lines = text.split('\n').length - 1
  if (lines > MAX_LINES && exceptions[file] === undefined) {
    report(
      file,
      `has ${lines} lines, more than ${MAX_LINES}; cut it by object, or give a reason in ${EXCEPTIONS_FILE}`,
    )
  }
}

/** What is wrong with an import of a file below src/, or undefined. */
export function importProblem(
  file: string,
  specifier: string,
  dependencies: ReadonlySet<string>,
): string | undefined {
  const isTest = file.endsWith('.test.ts')
  const layer = file.split('/')[1] ?? ''
  if (specifier.startsWith('node:')) {
    const isPure = layer === 'lib' || layer === 'wire'
    if (isPure && !isTest && IO_MODULES.has(specifier.slice(5)))
      return `imports ${specifier}, but ${layer} does no I/O`
    return undefined
  }
  if (!specifier.startsWith('.') && !specifier.startsWith('#')) {
    const parts = specifier.split('/')
    const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
    return isTest || dependencies.has(name) ? undefined : `imports ${name}, which is not a dependency`
  }
  if (!specifier.endsWith('.ts')) return `imports ${specifier} without its .ts`
  const target = specifier.startsWith('#')
    ? `src/${specifier.slice(1)}`
    : relative('/', resolve('/', dirname(file), specifier))
  const targetLayer = target.split('/')[1] ?? ''
  if (!target.startsWith('src/')) return `imports ${specifier}, which is outside of src`
  if (targetLayer === layer) return folderProblem(file, target)
  if (specifier.startsWith('.')) return `imports ${specifier}: across layers write #${target.slice(4)}`
  const from = levelOf(layer)
  const to = levelOf(targetLayer)
  if (to === -1) return `imports ${specifier}: ${targetLayer} is no layer`
  if (to > from) return `imports ${specifier}: ${targetLayer} is above ${layer}`
  if (to === from) return `imports ${specifier}: ${targetLayer} and ${layer} are siblings`
  return undefined
}

/** Folders inside a layer that must not know each other. */
function folderProblem(file: string, target: string): string | undefined {
  for (const kind of ['src/proxy/middleware/', 'src/proxy/balancer/', 'src/providers/']) {
    if (!file.startsWith(kind) || !target.startsWith(kind)) continue
    const from = file.slice(kind.length).split('/')
    const to = target.slice(kind.length).split('/')
    if (from.length < 2 || to.length < 2 || from[0] === to[0]) continue
    // The translation that every Kubernetes source uses is a level of its own.
    if (kind === 'src/providers/' && to[0] === 'kubernetes') continue
    return `imports ${to[0]}/: folders of ${kind.slice(0, -1)} do not import each other`
  }
  return undefined
}

function levelOf(layer: string): number {
  return LAYERS.findIndex((names) => names.includes(layer))
}

/** Specifiers of static and dynamic imports and of re-exports. */
export function importsOf(text: string): readonly string[] {
  const withoutComments = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  const found = withoutComments.matchAll(/(?:^|[;\s}])(?:from|import)\s*\(?\s*'([^'\n]+)'/gm)
  return [...found].map((match) => match[1] ?? '')
}

/** Every folder of a kind of plugin is named in registry.ts, and has the files that all have. */
function checkRegistry(root: string, kind: string, report: Report): void {
  const directory = join(root, kind)
  if (!existsSync(directory)) return
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  if (folders.length === 0) return
  const registry = join(directory, 'registry.ts')
  if (!existsSync(registry)) {
    report(kind, 'has folders but no registry.ts')
    return
  }
  const listed = new Set(importsOf(readFileSync(registry, 'utf8')))
  for (const folder of folders) {
    const place = `${kind}/${folder.name}`
    if (!listed.has(`./${folder.name}/index.ts`)) report(place, `is not in ${kind}/registry.ts`)
    for (const file of ['README.md', 'index.ts']) {
      if (!existsSync(join(root, place, file))) report(place, `has no ${file}`)
    }
  }
}

/** File → reason, for files that may be longer. */
function readExceptions(root: string): Readonly<Record<string, string>> {
  const file = join(root, EXCEPTIONS_FILE)
  if (!existsSync(file)) return {}
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
}

function runtimeDependencies(root: string): ReadonlySet<string> {
  const file = join(root, 'package.json')
  if (!existsSync(file)) return new Set()
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as { dependencies?: Record<string, string> }
  return new Set(Object.keys(parsed.dependencies ?? {}))
}

if (import.meta.main) {
  if (process.argv.includes('--help')) {
    process.stdout.write('usage: node tools/check-layout.ts    (see the comment at its top)\n')
  } else {
    const problems = checkLayout(fileURLToPath(new URL('..', import.meta.url)))
    for (const { file, message } of problems) process.stdout.write(`${file}: ${message}\n`)
    process.stdout.write(`layout: ${problems.length} problems\n`)
    process.exitCode = problems.length > 0 ? 1 : 0
  }
}
