import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { it } from 'node:test'
import { balancerNamed, balancers } from './registry.ts'

it('every folder is listed, under its own name, with a page and a test', () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  assert.deepEqual(balancers.map((balancer) => balancer.name).sort(), folders.sort())
  for (const folder of folders) {
    for (const file of ['README.md', 'index.ts', `${folder}.ts`, `${folder}.test.ts`]) {
      assert.ok(existsSync(`${import.meta.dirname}/${folder}/${file}`), `${folder}/${file}`)
    }
    assert.equal(balancerNamed(folder)?.name, folder)
  }
  assert.equal(balancerNamed('nonsense'), undefined)
})
