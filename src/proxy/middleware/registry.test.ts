import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { walkOptions, type OptionRow } from '#lib/schema/walk.ts'
import { assertRefused } from './exchange.fixture.ts'
import { checkMiddleware, MIDDLEWARES } from './registry.ts'

const ORIGIN = { provider: 'test', kind: 'Ingress', namespace: 'default', name: 'shop' }

const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

function folderOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

it('every folder is listed under its own name, in alphabetical order, with page, behaviour and test', () => {
  const listed = MIDDLEWARES.map((declaration) => folderOf(declaration.name))
  assert.deepEqual(listed.toSorted(), folders.toSorted())
  const names = MIDDLEWARES.map((declaration) => declaration.name)
  assert.deepEqual(names, names.toSorted())
  for (const folder of folders) {
    for (const file of ['README.md', 'index.ts', `${folder}.ts`, `${folder}.test.ts`]) {
      assert.ok(existsSync(`${import.meta.dirname}/${folder}/${file}`), `${folder}/${file}`)
    }
  }
})

it('every option is described', () => {
  for (const { name, schema } of MIDDLEWARES) {
    for (const row of walkOptions(schema)) assert.notEqual(row.description, '', `${name}.${row.name}`)
  }
})

describe('the page of', () => {
  for (const { name, schema, bodies, protocols, status } of MIDDLEWARES) {
    it(`${name} has a row for every option, as the schema has it, and no other`, () => {
      const page = readFileSync(`${import.meta.dirname}/${folderOf(name)}/README.md`, 'utf8')
      assert.equal(page.split('\n')[0], `# ${name}`)
      const rows = page.split('\n').filter((line) => line.startsWith('| `'))
      const expected = walkOptions(schema).map(rowOf)
      assert.deepEqual(rows, expected)
      for (const section of ['## Options', '## Example', '## Phase', '## Errors']) {
        assert.ok(page.includes(`\n${section}\n`), `${name}: no ${section}`)
      }
      assert.ok(
        page.includes(`Protocols: ${protocols.join(', ')}. Status: ${status}. Bodies: ${bodies}.`),
        name,
      )
    })
  }
})

it('an unknown type proposes the nearest one', () => {
  assertRefused('redirectSchema', [
    {
      options: {},
      says: /^type: there is no middleware "redirectSchema" \(did you mean redirectScheme\?\)$/,
    },
  ])
  assertRefused('__proto__', [{ options: {}, says: /^type: there is no middleware "__proto__"$/ }])
})

it('options are checked without a filter being used', () => {
  const config = { name: 'a@test', type: 'replacePath', origin: ORIGIN }
  assert.throws(() => checkMiddleware({ ...config, options: { path: 'x' } }), /path: must be a path/)
  assert.throws(() => checkMiddleware({ ...config, options: null }), /required/)
  checkMiddleware({ ...config, options: { path: '/x' } })
})

/** The row of an option as a page has it. */
function rowOf(row: OptionRow): string {
  const { defaultText, isRequired } = row
  // A map need not have any entry.
  const byDefault =
    isRequired && !row.name.includes('.') ? 'required' : defaultText === '' ? '' : `\`${defaultText}\``
  return `| \`${row.name}\` | \`${row.value.replaceAll('|', '\\|')}\` | ${byDefault} | ${row.description} |`
}
