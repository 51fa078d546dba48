import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import { addressPlan } from './address-plan.ts'
import { retryUntil } from './retry-until.ts'

const FIXTURE = fileURLToPath(new URL('leave-nothing.fixture.ts', import.meta.url))
const LIMIT_MS = 5000

interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  /** Tells two processes apart that had the same pid. */
  readonly startTime: string
  readonly command: string
  /** Network and mount namespace; undefined: it is ending. */
  readonly namespaces: readonly (string | undefined)[]
}

function processes(): readonly ProcessFacts[] {
  const found: ProcessFacts[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The name, in parentheses, may hold anything.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const namespaces = ['net', 'mnt'].map((kind) => {
        try {
          return readlinkSync(`/proc/${name}/ns/${kind}`)
        } catch {
          return undefined
        }
      })
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
      const [, parent = '', startTime = ''] = [fields[0], fields[1], fields[19]]
      found.push({ pid: Number(name), parent: Number(parent), startTime, command, namespaces })
    } catch {
      // Gone meanwhile.
    }
  }
  return found
}

/** `root` and everything below it. */
function treeOf(root: number): readonly ProcessFacts[] {
  const all = processes()
  const tree = all.filter(({ pid }) => pid === root)
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid))
  return tree
}

/** What is on this machine that a cluster could leave. */
function traces() {
  return {
    links: readdirSync('/sys/class/net').filter((name) =>
      /^(sekisho-|uplink|underlay|node\d|pod\d)/.test(name),
    ),
    mounts: readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => /cluster|netns/.test(line)),
    netns: existsSync('/run/netns') ? readdirSync('/run/netns') : [],
    temporary: readdirSync(tmpdir()).filter((name) => /cluster/.test(name)),
    routes: readFileSync('/proc/net/route', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('sekisho-')),
  }
}

describe('a cluster that is killed leaves nothing', { timeout: 180_000 }, () => {
  const own = readlinkSync('/proc/self/ns/net')

  for (const victim of ['runner', 'unshare', 'host'] as const) {
    it(`when its ${victim} is killed`, async () => {
      const before = traces()
      const runner = spawn(process.execPath, [FIXTURE], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [text] = (await Promise.race([
        once(runner.stdout, 'data'),
        once(runner, 'exit').then(() => assert.fail('the runner ended before its cluster was up')),
      ])) as [Buffer]
      const { pid, number } = JSON.parse(text.toString()) as { pid: number; number: number }
      const tree = treeOf(pid)
      const commands = tree.map(({ command }) => command).join('\n')
      for (const part of ['etcd', 'kube-apiserver', 'kube-proxy', 'sleep infinity'])
        assert.ok(commands.includes(part), `${part} is not among\n${commands}`)
      const { link } = addressPlan(number)
      assert.ok(existsSync(`/sys/class/net/${link}`))
      const namespaces = new Set(tree.flatMap((one) => one.namespaces).filter((name) => name !== undefined))
      namespaces.delete(own)
      namespaces.delete(readlinkSync('/proc/self/ns/mnt'))
      assert.ok(namespaces.size >= 4, 'underlay, node and pod have namespaces')
      const host = tree.find(({ command }) => command.endsWith('/host.ts ') && !command.startsWith('s'))
      assert.ok(host, commands)
      const target = { runner: runner.pid, unshare: pid, host: host.pid }[victim]
      const started = performance.now()
      process.kill(target ?? 0, 'SIGKILL')
      const wasThere = new Set(tree.map((one) => `${one.pid} ${one.startTime}`))
      const left = () =>
        processes()
          .filter(
            (one) =>
              wasThere.has(`${one.pid} ${one.startTime}`) ||
              one.namespaces.some((name) => name !== undefined && namespaces.has(name)),
          )
          .map(({ command, pid: leftPid }) => `${leftPid} ${command}`)
      await retryUntil(
        'nothing is left',
        () => {
          assert.deepEqual(left(), [])
          assert.ok(!existsSync(`/sys/class/net/${link}`), `${link} is there`)
          return true
        },
        LIMIT_MS,
      )
      assert.ok(performance.now() - started < LIMIT_MS + 500)
      assert.deepEqual(traces(), before)
      if (runner.exitCode === null && runner.signalCode === null) {
        runner.kill('SIGKILL')
        await once(runner, 'exit')
      }
    })
  }
})
