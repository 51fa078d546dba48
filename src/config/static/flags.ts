/**
 * Command line flags to a tree of options, guided by a schema: `--entryPoints.web.address=:80`, `--flag value`,
 * bare boolean flags, repeated lists. Names match in any case and without regard to hyphens (`--ingress-class`), as
 * Traefik's do; names of maps (entrypoints) keep their first spelling.
 *
 * The tree holds text only; the schema decodes it in text mode. Used by every command.
 */
import type { Issue } from '#lib/errors.ts'
import { nearestName } from '#lib/schema/nearest.ts'
import type { AnySchema } from '#lib/schema/schema.ts'

export interface FlagTree {
  [key: string]: FlagTree | string | string[]
}

export interface ParsedFlags {
  readonly tree: FlagTree
  /** Arguments that are not flags, in order. */
  readonly positionals: readonly string[]
  readonly issues: readonly Issue[]
  /** `--help` or `-h` was there. */
  readonly isHelp: boolean
}

/** Reads all arguments; `--` ends the flags. Issues name unknown flags and flags without a value. */
export function parseFlags(args: readonly string[], schema: AnySchema): ParsedFlags {
  const tree: FlagTree = {}
  const positionals: string[] = []
  const issues: Issue[] = []
  let isHelp = false
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (arg === '--') {
      positionals.push(...args.slice(i + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      positionals.push(arg)
      continue
    }
    if (arg === '-h' || arg === '--help') {
      isHelp = true
      continue
    }
    // Go's flag package, and so Traefik, takes one hyphen or two.
    const equals = arg.indexOf('=')
    const name = arg.slice(arg.startsWith('--') ? 2 : 1, equals === -1 ? undefined : equals)
    const target = resolveFlag(name, schema, tree)
    if (!target.ok) {
      issues.push(target.issue)
      // What follows an unknown flag without `=` is most likely its value; a positional would only confuse.
      if (equals === -1 && i + 1 < args.length && !(args[i + 1] ?? '').startsWith('-')) i++
      continue
    }
    let value: string
    if (equals !== -1) {
      value = arg.slice(equals + 1)
    } else if (target.takesValue) {
      const next = args[i + 1]
      if (next === undefined || (next.startsWith('--') && next.length > 2)) {
        issues.push({ path: target.path, message: 'needs a value', suggestion: `--${name}=VALUE` })
        continue
      }
      value = next
      i++
    } else {
      value = 'true'
    }
    store(tree, target.path, value)
  }
  return { tree, positionals, issues, isHelp }
}

type Target =
  | { readonly ok: true; readonly path: readonly string[]; readonly takesValue: boolean }
  | { readonly ok: false; readonly issue: Issue }

/** Follows the dotted name through the schema; canonical keys come back. */
function resolveFlag(name: string, root: AnySchema, tree: FlagTree): Target {
  let schema = root
  let known: FlagTree | undefined = tree
  const path: string[] = []
  const parts = name.split('.')
  for (const [index, part] of parts.entries()) {
    const shape = schema.shape
    let key = part
    if (shape.kind === 'object') {
      const fields = Object.keys(shape.fields)
      const field = fields.find((candidate) => fold(candidate) === fold(part))
      if (field === undefined) {
        // Known but not available: the schema says why when it decodes the tree.
        const other = shape.unavailable.find(
          (candidate) => fold(candidate) === fold(part.replace(/\[\d+\]$/, '')),
        )
        if (other !== undefined) return { ok: true, path: [...path, other], takesValue: false }
        return { ok: false, issue: unknownFlag(path, part, fields, parts.slice(index + 1)) }
      }
      key = field
      schema = shape.fields[field] ?? schema
    } else if (shape.kind === 'map') {
      key =
        Object.keys(known ?? {}).find((candidate) => candidate.toLowerCase() === part.toLowerCase()) ?? part
      schema = shape.value
    } else if (shape.kind === 'union') {
      const group = shape.options.find((option) => option.shape.kind === 'object')
      if (group === undefined) return { ok: false, issue: unknownFlag(path, part, [], []) }
      const inner = resolveFlag(parts.slice(index).join('.'), group, {})
      return inner.ok
        ? { ...inner, path: [...path, ...inner.path] }
        : { ok: false, issue: { ...inner.issue, path: [...path, ...inner.issue.path] } }
    } else {
      return { ok: false, issue: unknownFlag(path, part, [], []) }
    }
    path.push(key)
    const below: FlagTree[string] | undefined = known?.[key]
    known = typeof below === 'object' && !Array.isArray(below) ? below : undefined
  }
  return { ok: true, path, takesValue: takesValue(schema) }
}

function takesValue(schema: AnySchema): boolean {
  const shape = schema.shape
  if (shape.kind === 'boolean') return false
  if (shape.kind === 'object') return !shape.isGroup
  if (shape.kind === 'union') return !shape.options.some((option) => option.shape.kind === 'boolean')
  return true
}

function unknownFlag(
  path: readonly string[],
  part: string,
  fields: readonly string[],
  rest: readonly string[],
): Issue {
  const nearest = nearestName(part, fields)
  const flag = (name: string) => `--${[...path, name, ...rest].join('.')}`
  let suggestion = 'see --help'
  if (nearest !== undefined) suggestion = `did you mean ${flag(nearest)}?`
  else if (path.length > 0 && fields.length > 0)
    suggestion = `below --${path.join('.')} there are: ${fields.join(', ')}`
  return { path: [...path, part, ...rest], message: 'is not a known flag', suggestion }
}

function store(tree: FlagTree, path: readonly string[], value: string): void {
  let node = tree
  for (const key of path.slice(0, -1)) {
    const below = Object.hasOwn(node, key) ? node[key] : undefined
    // `--ping` and `--ping.x=y`: the group's own true says nothing more.
    if (typeof below === 'object' && !Array.isArray(below)) {
      node = below
    } else {
      const created: FlagTree = {}
      define(node, key, created)
      node = created
    }
  }
  const last = path.at(-1) ?? ''
  const before = Object.hasOwn(node, last) ? node[last] : undefined
  if (before === undefined) define(node, last, value)
  else if (typeof before === 'string') define(node, last, [before, value])
  else if (Array.isArray(before)) before.push(value)
  // Options below the group are there already: its own `true` adds nothing, `false` contradicts them.
  else if (/^(0|f|false)$/i.test(value)) define(node, last, value)
}

/** An own property whatever its name. */
function define(node: FlagTree, key: string, value: FlagTree | string | string[]): void {
  Object.defineProperty(node, key, { value, writable: true, enumerable: true, configurable: true })
}

function fold(name: string): string {
  return name.replaceAll('-', '').toLowerCase()
}
