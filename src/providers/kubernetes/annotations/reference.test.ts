import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { TRAEFIK_ROWS } from './foreign.ts'
import { NGINX_OTHER_ROWS } from './nginx-rest.ts'
import { NGINX_WORKING_ROWS } from './nginx-works.ts'
import { annotationsReference } from './reference.ts'

const page = new URL('../../../../docs/guide/annotations.md', import.meta.url)

describe('the tables of annotations', () => {
  it('are what docs/guide/annotations.md says (npm run docs writes it)', () => {
    assert.equal(readFileSync(page, 'utf8'), annotationsReference())
  })

  it('name each annotation once, and those that work have an effect', () => {
    for (const rows of [[...NGINX_WORKING_ROWS, ...NGINX_OTHER_ROWS], TRAEFIK_ROWS]) {
      assert.equal(new Set(rows.map((row) => row.name)).size, rows.length)
      for (const row of rows) assert.equal(row.apply !== undefined, row.status === 'works', row.name)
    }
  })
})
