/**
 * The root directory of a container: a directory of its own with what programs expect of a system, and the list of what is
 * mounted into it (fstab(5)): programs and libraries of this machine and the image's files read-only, devices, /proc, /sys,
 * volumes. Mounting happens in the container's own mount namespace (container-process.ts), so what is made
 * here can be removed like any directory when the container has ended.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { ConfigProblem } from './pod.ts'

export interface Mount {
  /** Absolute path in the container. */
  readonly target: string
  /** File or directory on this machine. */
  readonly source: string
  readonly isReadOnly: boolean
  /** Directories may be made in it, for mounts further below. */
  readonly isOurs: boolean
}

export interface RootOptions {
  /** Made here; it must not exist. */
  readonly directory: string
  readonly imageFiles: Readonly<Record<string, string>>
  readonly volumes: readonly Mount[]
  /** Made where it is missing, as container runtimes do. */
  readonly workingDir: string
  readonly hosts: string
  readonly resolvConf: string
  readonly hostname: string
  readonly uid: number
  readonly gid: number
  readonly isPrivileged: boolean
}

const DIRECTORIES = [
  'dev/shm',
  'etc',
  'home',
  'mnt',
  'opt',
  'proc',
  'run',
  'sys',
  'tmp',
  'usr',
  'var/lib',
  'var/log',
  'var/tmp',
]
const LOCAL = ['bin', 'lib', 'sbin', 'share'].map((name) => `usr/local/${name}`)
const USR = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libexec', 'libx32', 'share']
/** Links into /usr on today's systems, directories on older ones. */
const TOP = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
const LINKS = { fd: 'fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2' }
/** Of the machine, where they are. */
const SHARED_ETC = ['/etc/ssl', '/etc/alternatives']

/** Makes the directory; returns the text for `mount --all --fstab`. Throws a ConfigProblem for a mount that cannot be. */
export function makeRoot(options: RootOptions): string {
  return new RootDirectory(options).make()
}

class RootDirectory {
  readonly #options: RootOptions
  readonly #root: string
  readonly #lines: string[] = []
  readonly #mounts: Mount[] = []
  /** Top directories that are links, with what they lead to. */
  readonly #links = new Map([['/var/run', '/run']])

  constructor(options: RootOptions) {
    this.#options = options
    this.#root = options.directory
  }

  make(): string {
    for (const name of [...DIRECTORIES, ...LOCAL]) mkdirSync(join(this.#root, name), { recursive: true })
    for (const name of ['tmp', 'var/tmp']) chmodSync(join(this.#root, name), 0o1777)
    mkdirSync(join(this.#root, 'root'), { mode: 0o700 })
    symlinkSync('../run', join(this.#root, 'var/run'))
    this.#line(this.#root, '/', 'bind')
    this.#mountSystem()
    this.#writeEtc()
    this.#mountDevices()
    for (const [target, source] of Object.entries(this.#options.imageFiles).sort(byTarget))
      this.#mount({ target, source, isReadOnly: true, isOurs: false })
    for (const mount of this.#options.volumes.toSorted((a, b) => byTarget([a.target], [b.target])))
      this.#mount(mount)
    this.#makeTarget(this.#canonical(this.#options.workingDir), true)
    return this.#lines.join('')
  }

  #mountSystem(): void {
    for (const name of TOP) {
      const stats = lstatSync(`/${name}`, { throwIfNoEntry: false })
      if (stats === undefined) continue
      if (!stats.isSymbolicLink()) {
        this.#mount({ target: `/${name}`, source: `/${name}`, isReadOnly: true, isOurs: false })
        continue
      }
      const to = readlinkSync(`/${name}`).replace(/^\/+/, '')
      symlinkSync(to, join(this.#root, name))
      this.#links.set(`/${name}`, `/${to}`)
    }
    for (const name of USR) {
      const path = `/usr/${name}`
      if (existsSync(path)) this.#mount({ target: path, source: path, isReadOnly: true, isOurs: false })
    }
  }

  #writeEtc(): void {
    const { hosts, resolvConf, hostname, uid, gid } = this.#options
    const user = uid === 0 ? '' : `user:x:${uid}:${gid}::/:/sbin/nologin\n`
    const group = gid === 0 ? '' : `user:x:${gid}:\n`
    const files = {
      hosts,
      'resolv.conf': resolvConf,
      hostname: `${hostname}\n`,
      passwd: `root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n${user}`,
      group: `root:x:0:\nnogroup:x:65534:\n${group}`,
      'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.#root, 'etc', name), text)
    const cache = '/etc/ld.so.cache'
    if (existsSync(cache)) copyFileSync(cache, join(this.#root, cache))
    for (const path of SHARED_ETC) {
      if (existsSync(path)) this.#mount({ target: path, source: path, isReadOnly: true, isOurs: false })
    }
  }

  #mountDevices(): void {
    this.#line('proc', '/proc', 'nosuid,nodev,noexec', 'proc')
    const { isPrivileged } = this.#options
    if (!isPrivileged) this.#line(join(this.#root, 'proc/sys'), '/proc/sys', 'bind,ro')
    this.#line('sysfs', '/sys', `${isPrivileged ? 'rw' : 'ro'},nosuid,nodev,noexec`, 'sysfs')
    for (const name of DEVICES) {
      writeFileSync(join(this.#root, 'dev', name), '')
      this.#line(`/dev/${name}`, `/dev/${name}`, 'bind')
    }
    for (const [name, to] of Object.entries(LINKS))
      symlinkSync(`/proc/self/${to}`, join(this.#root, 'dev', name))
    this.#line('shm', '/dev/shm', 'nosuid,nodev,mode=1777,size=64m', 'tmpfs')
  }

  #mount(mount: Mount): void {
    const target = this.#canonical(mount.target)
    const stats = statSync(mount.source, { throwIfNoEntry: false })
    if (stats === undefined) throw new ConfigProblem(`mount ${mount.target}: ${mount.source} does not exist`)
    this.#makeTarget(target, stats.isDirectory())
    this.#line(mount.source, target, mount.isReadOnly ? 'bind,ro' : 'bind')
    this.#mounts.push({ ...mount, target })
  }

  /** Without links, which `mount` would follow out of the root. */
  #canonical(path: string): string {
    const plain = normalize(`/${path}`).replace(/(.)\/$/, '$1')
    for (const [link, to] of this.#links)
      if (plain === link || plain.startsWith(`${link}/`)) return to + plain.slice(link.length)
    return plain
  }

  /** What is mounted on must exist: in the root, or in the mount that covers the place. */
  #makeTarget(target: string, isDirectory: boolean): void {
    const cover = this.#mounts.findLast(
      (mount) => target === mount.target || target.startsWith(`${mount.target}/`),
    )
    const place =
      cover === undefined ? join(this.#root, target) : cover.source + target.slice(cover.target.length)
    if (existsSync(place)) return
    if (cover !== undefined && !cover.isOurs)
      throw new ConfigProblem(
        `mount ${target}: ${cover.target} is read-only and has no such ${isDirectory ? 'directory' : 'file'}`,
      )
    mkdirSync(isDirectory ? place : dirname(place), { recursive: true })
    if (!isDirectory) writeFileSync(place, '')
  }

  #line(source: string, target: string, options: string, type = 'none'): void {
    this.#lines.push(`${escaped(source)} ${escaped(join(this.#root, target))} ${type} ${options} 0 0\n`)
  }
}

/** Covering mounts first. */
function byTarget([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return a.split('/').length - b.split('/').length || (a < b ? -1 : 1)
}

/** fstab(5): what would end a field is written in octal. */
function escaped(path: string): string {
  return path.replace(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
