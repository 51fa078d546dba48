import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import { addressPlan } from './address-plan.ts'
import { retryUntil } from './retry-until.ts'

const FIXTURE = fileURLToPath(new URL('leave-nothing.fixture.ts', import.meta.url))
const LIMIT_MS = 5000
/**
 * The kernel takes network namespaces apart when the last process and connection is gone, in one queue for the whole machine:
 * a second or two when nothing else goes on, more when other clusters end at the same time.
 */
const LINK_LIMIT_MS = 20_000

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

/** What is on this machine, beside processes and links, that a cluster could leave. Other clusters may run meanwhile. */
function traces() {
  const lines = (file: string) => readFileSync(file, 'utf8').split('\n')
  return {
    mounts: lines('/proc/mounts').filter((line) => /cluster|kube/.test(line)),
    temporary: readdirSync(tmpdir()).filter((name) => name.startsWith('sekisho-cluster')),
    run: readdirSync('/run').filter((name) => name.includes('cluster')),
  }
}

/** Index of a link, which no other link gets; undefined: it is not there. */
function linkIndex(name: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')
  } catch {
    return undefined
  }
}

/** Time since the start of the machine, in the units of a process's start time (proc(5): 100 per second on Linux). */
function ticks(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0]) * 100
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
      const index = linkIndex(link)
      assert.ok(index !== undefined)
      const namespaces = new Set(tree.flatMap((one) => one.namespaces).filter((name) => name !== undefined))
      namespaces.delete(own)
      namespaces.delete(readlinkSync('/proc/self/ns/mnt'))
      assert.ok(namespaces.size >= 4, 'underlay, node and pod have namespaces')
      const host = tree.find(({ command }) => command.endsWith('/host.ts ') && !command.startsWith('s'))
      assert.ok(host, commands)
      const target = { runner: runner.pid, unshare: pid, host: host.pid }[victim]
      process.kill(target ?? 0, 'SIGKILL')
      const killedAt = ticks()
      const wasThere = new Set(tree.map((one) => `${one.pid} ${one.startTime}`))
      // The kernel gives the number of a namespace that is gone to another one: later processes are somebody else's.
      const isInside = (one: ProcessFacts) =>
        Number(one.startTime) <= killedAt &&
        one.namespaces.some((name) => name !== undefined && namespaces.has(name))
      const left = () =>
        processes()
          .filter((one) => wasThere.has(`${one.pid} ${one.startTime}`) || isInside(one))
          .map(({ command, pid: leftPid }) => `${leftPid} ${command}`)
      const started = performance.now()
      const seconds = () => `${((performance.now() - started) / 1000).toFixed(2)} s`
      await retryUntil(
        'no process is left',
        () => {
          assert.deepEqual(left(), [])
          return true
        },
        LIMIT_MS,
      )
      const processesGone = seconds()
      await retryUntil('the link is gone', () => linkIndex(link) !== index, LINK_LIMIT_MS)
      console.log(`${victim} killed: processes gone after ${processesGone}, namespaces after ${seconds()}`)
      assert.deepEqual(traces(), before)
      if (runner.exitCode === null && runner.signalCode === null) {
        runner.kill('SIGKILL')
        await once(runner, 'exit')
      }
    })
  }
})
