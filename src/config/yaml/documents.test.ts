import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { splitDocuments } from './documents.ts'

describe('splitting a stream into documents', () => {
  const cases: readonly [string, string, readonly [string, number][]][] = [
    ['nothing', '', []],
    ['one without markers', 'a: 1\n', [['a: 1\n', 1]]],
    [
      'several',
      'a: 1\n---\nb: 2\n---\nc: 3',
      [
        ['a: 1\n', 1],
        ['b: 2\n', 3],
        ['c: 3', 5],
      ],
    ],
    ['a marker first', '---\na: 1\n', [['a: 1\n', 2]]],
    ['empty ones are left out', '---\n# c\n---\n\n---\na: 1\n---\n', [['a: 1\n', 6]]],
    ['comments in front belong to the document', '# c\na: 1\n', [['# c\na: 1\n', 1]]],
    ['a comment behind the marker', '--- # c\na: 1\n', [['a: 1\n', 2]]],
    [
      'content behind the marker',
      'a: 1\n--- {b: 2}\n',
      [
        ['a: 1\n', 1],
        ['--- {b: 2}\n', 2],
      ],
    ],
    [
      'the end marker',
      'a: 1\n...\n# c\n---\nb: 2\n...\n',
      [
        ['a: 1\n', 1],
        ['b: 2\n', 5],
      ],
    ],
    ['directives stay with their document', '%YAML 1.2\n---\na: 1\n', [['%YAML 1.2\n---\na: 1\n', 1]]],
    [
      'directives after an end marker',
      'a: 1\n...\n%YAML 1.2\n---\nb: 1\n',
      [
        ['a: 1\n', 1],
        ['%YAML 1.2\n---\nb: 1\n', 3],
      ],
    ],
    ['dashes that are no marker', 'a: |\n  ---\n----\n---x\n', [['a: |\n  ---\n----\n---x\n', 1]]],
    [
      'a marker ends a block scalar and a quoted one',
      'a: |\n  x\n---\nb: "x\n---\nc: 1\n',
      [
        ['a: |\n  x\n', 1],
        ['b: "x\n', 4],
        ['c: 1\n', 6],
      ],
    ],
    ['markers at the very end', 'a: 1\n---', [['a: 1\n', 1]]],
    ['a percent sign inside', 'a:\n%b\n', [['a:\n%b\n', 1]]],
  ]
  for (const [name, stream, expected] of cases) {
    test(name, () =>
      assert.deepEqual(
        splitDocuments(stream).map(({ text, line }) => [text, line]),
        expected,
      ),
    )
  }
})
