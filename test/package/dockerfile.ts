/**
 * Builds deploy/Dockerfile without an engine and without its base image: the first stage runs on a copy-on-write view of
 * this machine (a Debian too), in a mount and pid namespace of its own, so that nothing is left behind and nothing here is
 * changed. What it cannot show is that the base image has what this machine has. Used by image.test.ts; needs root.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Instruction {
  readonly name: string
  readonly text: string
}

/** The subset that the Dockerfile uses; throws on anything else. */
export function parseDockerfile(text: string): readonly Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, ' ')
  return joined.split('\n').map((line) => {
    const match = /^([A-Z]+)\s+(.*)$/.exec(line)
    if (match === null) throw new Error(`no instruction: ${line}`)
    return { name: match[1] ?? '', text: match[2] ?? '' }
  })
}

/** Paths of a .dockerignore, as arguments of tar. Plain names and `*.suffix` only. */
export function exclusions(text: string): readonly string[] {
  const names = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const strange = names.find((name) => !/^[\w.*-]+$/.test(name))
  if (strange !== undefined) throw new Error(`a pattern that tar may read otherwise: ${strange}`)
  return names.map((name) => `--exclude=./${name}`)
}

/** A shell script that builds below `$work` (a tmpfs) and leaves the image's files in `$work/image`. */
export function buildScript(
  instructions: readonly Instruction[],
  context: string,
  ignored: readonly string[],
): string {
  const script = [
    'set -eu',
    'work=/mnt',
    'mount -t tmpfs tmpfs $work',
    'mkdir $work/upper $work/work $work/root $work/image',
    'mount -t overlay overlay -o lowerdir=/,upperdir=$work/upper,workdir=$work/work $work/root',
    'mount -t proc proc $work/root/proc',
    'mount --rbind /dev $work/root/dev',
  ]
  let directory = '/'
  let stage = 0
  for (const { name, text } of instructions) {
    if (name === 'FROM') stage++
    const isBuilding = stage === 1
    if (name === 'WORKDIR' && isBuilding) {
      directory = text
      // What this machine has there is not in the base image.
      script.push(`mkdir -p $work/root${text}`, `mount -t tmpfs tmpfs $work/root${text}`)
    } else if (name === 'RUN') {
      script.push(`chroot $work/root /bin/sh -c ${quoted(`cd ${directory} && ${text}`)} >&2`)
    } else if (name === 'COPY') {
      script.push(copy(text, context, ignored, directory))
    } else if (!/^(ARG|FROM|WORKDIR|USER|ENV|EXPOSE|ENTRYPOINT|CMD)$/.test(name)) {
      throw new Error(`instruction ${name} is not known here`)
    }
  }
  return `${script.join('\n')}\n`
}

function copy(text: string, context: string, ignored: readonly string[], directory: string): string {
  const from = /^--from=build (\/\S+?)\/ \/$/.exec(text)
  if (from !== null) return `cp --archive $work/root${from[1]}/. $work/image/`
  const match = /^([\w. -]+) \.\/?$/.exec(text)
  if (match === null) throw new Error(`COPY ${text} is not known here`)
  const names = (match[1] ?? '').split(' ').map((name) => (name === '.' ? '.' : `./${name}`))
  const tar = ['tar', '--create', '--anchored', ...ignored.map(quoted), ...names].join(' ')
  return `(cd ${quoted(context)} && ${tar}) | tar --extract --directory $work/root${directory}`
}

/** Value of the last instruction of this name, in its JSON form. */
export function execForm(instructions: readonly Instruction[], name: string): readonly string[] {
  const text = instructions.findLast((one) => one.name === name)?.text ?? '[]'
  return JSON.parse(text) as string[]
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script as root in namespaces of its own; all of it ends with this process. */
export async function runIsolated(script: string): Promise<Outcome> {
  const flags = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const child = spawn('unshare', [...flags, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
