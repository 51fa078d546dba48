/**
 * Makes dist/ from src/ for the npm package: Node does not strip types below node_modules, so packing does. Types are
 * replaced by blanks (lines and columns stay), and specifiers are rewritten: `.ts` to `.js`, `#layer/x.ts` to a
 * relative path. Run by npm's `prepack`.
 */
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** JavaScript of one source file; `file` is its path below src/, with forward slashes. */
export function packSource(text: string, file: string): string {
  const stripped = stripTypeScriptTypes(text, { mode: 'strip' })
  return stripped
    .replaceAll(
      /((?:^|[;\s}])(?:from|import)\s*\(?\s*)'([^'\n]+\.ts)'/gm,
      (_, before: string, specifier: string) => `${before}'${packedSpecifier(specifier, file)}'`,
    )
    .replaceAll(
      /new URL\('([^'\n]+\.ts)', import\.meta\.url\)/g,
      (_, specifier: string) => `new URL('${packedSpecifier(specifier, file)}', import.meta.url)`,
    )
}

function packedSpecifier(specifier: string, file: string): string {
  const script = `${specifier.slice(0, -3)}.js`
  if (!specifier.startsWith('#')) return script
  const path = relative(dirname(file), script.slice(1))
  return path.startsWith('.') ? path : `./${path}`
}

function packAll(root: string): number {
  const source = join(root, 'src')
  const target = join(root, 'dist')
  rmSync(target, { recursive: true, force: true })
  const isPacked = (file: string) => !/\.test\.ts$|(^|\/)testdata\/|(^|\/)README\.md$/.test(file)
  const entries = globSync('**/*', { cwd: source, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(source, join(entry.parentPath, entry.name)))
    .filter(isPacked)
  for (const file of files) {
    const from = join(source, file)
    mkdirSync(dirname(join(target, file)), { recursive: true })
    if (file.endsWith('.ts')) {
      const to = join(target, `${file.slice(0, -3)}.js`)
      writeFileSync(to, packSource(readFileSync(from, 'utf8'), file))
    } else {
      copyFileSync(from, join(target, file))
    }
  }
  return files.length
}

if (import.meta.main) {
  if (process.argv.includes('--help')) {
    process.stdout.write('usage: node tools/pack.ts    (writes dist/ from src/; npm pack runs it)\n')
  } else {
    const count = packAll(fileURLToPath(new URL('..', import.meta.url)))
    // Standard error: standard output is npm's.
    process.stderr.write(`packed ${count} files into dist/\n`)
  }
}
