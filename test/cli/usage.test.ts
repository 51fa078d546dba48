import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sekisho } from './run.ts'

const { stdout: overview } = await sekisho(['--help'])
const commands = [...overview.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map((match) => match[1] ?? '')

describe('the command line', () => {
  it('lists the commands', () => {
    for (const name of ['up', 'gateway', 'check', 'routes', 'explain', 'quickstart', 'version'])
      assert.ok(commands.includes(name), name)
  })

  for (const name of commands) {
    it(`explains ${name}`, async () => {
      const { code, stdout } = await sekisho([name, '--help'])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^sekisho ${name}`))
      assert.equal((await sekisho(['help', name])).stdout, stdout)
    })
  }

  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^$/],
    [['chek'], /"chek" is not a command \(did you mean sekisho check\?\)/],
    [['--ping'], /flags come behind the command/],
    [['check'], /DIR is missing/],
    [['check', '/does/not/exist'], /"\/does\/not\/exist" does not exist/],
    [['check', '.', 'too-many'], /"too-many" is one argument too many/],
    [['check', '.', '--acesslog'], /--acesslog: is not a known flag \(did you mean --accessLog\?\)/],
    [['check', '.', '--log.level=loud'], /--log\.level: must be one of/],
    [['check', '.', '--log.level'], /--log\.level: needs a value/],
    [['check', '.', '--providers.docker'], /--providers: is not available/],
    [['check', '.', '--backend=nonsense'], /nonsense has no =/],
    [['up', '/does/not/exist'], /does not exist/],
    [['gateway', 'dir'], /"dir" is one argument too many/],
    [['gateway', '--watch-namespace=A'], /--watchNamespace\[0\]: /],
    [['gateway', '--kubeconfig=/does/not/exist'], /\/does\/not\/exist/],
  ]
  for (const [args, expected] of wrong) {
    it(`answers "sekisho ${args.join(' ')}" with exit code 2 and what to do`, async () => {
      const { code, stdout, stderr } = await sekisho(args)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      if (args.length > 0) assert.match(stderr, expected)
      else assert.match(stderr, /^sekisho COMMAND/)
    })
  }
})
