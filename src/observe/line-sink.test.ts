import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  write as fsWrite,
} from 'node:fs'
import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { LineSink } from './line-sink.ts'

const dir = mkdtempSync(join(tmpdir(), 'sekisho-sink-'))
after(() => rmSync(dir, { recursive: true }))

let files = 0
const newFile = (): string => join(dir, `sub${files++}`, 'file.log')

/** A write like node:fs's that can be told to fail, to write less, or to wait. */
function fakeDisk(): {
  write: typeof fsWrite
  mode: { error: string | null; maxBytes: number; held: (() => void)[] | null }
  sizes: number[]
} {
  const mode: { error: string | null; maxBytes: number; held: (() => void)[] | null } = {
    error: null,
    maxBytes: Infinity,
    held: null,
  }
  const sizes: number[] = []
  const write = (
    fd: number,
    bytes: Buffer,
    from: number,
    length: number,
    _at: null,
    done: Function,
  ): void => {
    const go = (): void => {
      if (mode.error !== null) {
        const error = Object.assign(new Error(mode.error), { code: mode.error })
        setImmediate(() => done(error, 0))
        return
      }
      const size = Math.min(length, mode.maxBytes)
      sizes.push(size)
      fsWrite(fd, bytes, from, size, null, (error, written) => done(error, written))
    }
    if (mode.held === null) go()
    else mode.held.push(go)
  }
  return { write: write as unknown as typeof fsWrite, mode, sizes }
}

test('lines arrive in order, in folders made for them, in few writes', async () => {
  const target = newFile()
  const disk = fakeDisk()
  const sink = new LineSink({ target, write: disk.write })
  let expected = ''
  for (let i = 0; i < 10_000; i++) {
    expected += `line ${i} of many\n`
    assert.equal(sink.writeAscii(`line ${i} of many\n`), true)
  }
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), expected)
  assert.ok(disk.sizes.length <= 4, `${disk.sizes.length} writes`)
})

test('what comes in during a write is gathered, not written line by line', async () => {
  const target = newFile()
  const disk = fakeDisk()
  const sink = new LineSink({ target, write: disk.write, flushMs: 60_000 })
  sink.writeAscii('first\n')
  const flushed = sink.flush()
  sink.writeAscii('second\n')
  sink.writeAscii('third\n')
  await flushed
  assert.deepEqual(disk.sizes, ['first\n'.length])
  await sink.close()
  assert.deepEqual(disk.sizes, ['first\n'.length, 'second\nthird\n'.length])
})

test('lines are written without being asked, after the flush time or at the end of the turn', async () => {
  for (const flushMs of [0, 1]) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const write = (
      _fd: number,
      bytes: Buffer,
      from: number,
      length: number,
      _at: null,
      done: Function,
    ): void => {
      assert.equal(bytes.toString('latin1', from, from + length), 'a\nb\n')
      resolve()
      setImmediate(() => done(null, length))
    }
    const sink = new LineSink({ target: newFile(), flushMs, write: write as unknown as typeof fsWrite })
    sink.writeAscii('a\n')
    sink.writeAscii('b\n')
    // The sink's own timer does not keep the process alive.
    const alive = setTimeout(() => {}, 10_000)
    await promise
    clearTimeout(alive)
    await sink.close()
  }
})

test('a line longer than a chunk is written whole, and text outside of ASCII as UTF-8', async () => {
  const target = newFile()
  const sink = new LineSink({ target })
  const long = `${'é€'.repeat(60_000)}\n`
  sink.writeAscii('before\n')
  sink.writeText(long)
  sink.writeAscii('after\n')
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), `before\n${long}after\n`)
})

test('lines beyond the bound are dropped and counted, and later ones written again', async () => {
  const target = newFile()
  const disk = fakeDisk()
  disk.mode.held = []
  let dropped = 0
  const sink = new LineSink({
    target,
    write: disk.write,
    maxBufferedBytes: 100,
    onDrop: (n) => (dropped += n),
  })
  const line = `${'x'.repeat(39)}\n`
  assert.deepEqual([sink.writeAscii(line), sink.writeAscii(line), sink.writeAscii(line)], [true, true, false])
  assert.equal(sink.droppedLines, 1)
  assert.equal(dropped, 1)
  assert.equal(sink.bufferedBytes, 80)
  const flushed = sink.flush()
  const held = disk.mode.held
  disk.mode.held = null
  for (const go of held) go()
  await flushed
  assert.equal(sink.bufferedBytes, 0)
  assert.equal(sink.writeAscii(line), true)
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), line.repeat(3))
})

test('a full disk is reported once, counted, and writing goes on when there is room', async () => {
  const target = newFile()
  const disk = fakeDisk()
  const reports: (string | undefined)[] = []
  const sink = new LineSink({ target, write: disk.write, onError: (error) => reports.push(error?.code) })
  disk.mode.error = 'ENOSPC'
  for (const line of ['one\n', 'two\n']) {
    sink.writeAscii(line)
    await sink.flush()
  }
  assert.deepEqual(reports, ['ENOSPC'])
  assert.equal(sink.writeErrors, 2)
  assert.equal(sink.droppedLines, 2)
  disk.mode.error = null
  sink.writeAscii('three\n')
  await sink.flush()
  assert.deepEqual(reports, ['ENOSPC', undefined])
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), 'three\n')
})

test('a line torn by a full disk is ended before the next one', async () => {
  const target = newFile()
  const disk = fakeDisk()
  const sink = new LineSink({ target, write: disk.write })
  sink.writeAscii('whole\n')
  sink.writeAscii('torn line\n')
  disk.mode.maxBytes = 'whole\ntorn'.length
  disk.mode.held = []
  const flushed = sink.flush()
  const [first] = disk.mode.held
  first?.()
  // The rest of the chunk meets the full disk.
  disk.mode.held = null
  disk.mode.error = 'ENOSPC'
  await flushed
  assert.equal(sink.droppedLines, 1)
  disk.mode.error = null
  disk.mode.maxBytes = Infinity
  sink.writeAscii('next\n')
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), 'whole\ntorn\nnext\n')
})

test('short writes are continued', async () => {
  const target = newFile()
  const disk = fakeDisk()
  disk.mode.maxBytes = 7
  const sink = new LineSink({ target, write: disk.write })
  for (let i = 0; i < 20; i++) sink.writeAscii(`number ${i}\n`)
  await sink.close()
  assert.equal(readFileSync(target, 'utf8'), Array.from({ length: 20 }, (_, i) => `number ${i}\n`).join(''))
})

test('rotation under load loses and tears nothing', async () => {
  const target = newFile()
  const sink = new LineSink({ target, flushMs: 0 })
  const rotated: string[] = []
  let count = 0
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 3000; i++) sink.writeAscii(`line ${count++}\n`)
    if (round === 0) await sink.flush()
    rotated.push(`${target}.${round}`)
    renameSync(target, `${target}.${round}`)
    sink.reopen()
    await sink.flush()
    for (let i = 0; i < 3000; i++) sink.writeAscii(`line ${count++}\n`)
  }
  await sink.close()
  const text = [...rotated, target].map((path) => readFileSync(path, 'utf8')).join('')
  assert.equal(text, Array.from({ length: count }, (_, i) => `line ${i}\n`).join(''))
  assert.equal(sink.droppedLines, 0)
})

test('several threads share a file without tearing lines', async () => {
  const target = newFile()
  const source = `
    import { LineSink } from ${JSON.stringify(new URL('line-sink.ts', import.meta.url).href)}
    import { workerData } from 'node:worker_threads'
    const sink = new LineSink({ target: workerData.target, flushMs: 0 })
    for (let i = 0; i < 20000; i++) {
      sink.writeAscii(workerData.mark.repeat(50) + ' ' + i + '\\n')
      if (i % 1000 === 0) await sink.flush()
    }
    await sink.close()`
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
  const ends = ['a', 'b', 'c'].map(async (mark) => {
    const worker = new Worker(url, { workerData: { target, mark } })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    worker.once('error', reject)
    worker.once('exit', () => resolve())
    await promise
  })
  await Promise.all(ends)
  const next: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (const line of readFileSync(target, 'utf8').trimEnd().split('\n')) {
    const [marks, number] = line.split(' ') as [string, string]
    const mark = marks[0] as string
    assert.equal(marks, mark.repeat(50))
    assert.equal(Number(number), next[mark])
    next[mark] = (next[mark] as number) + 1
  }
  assert.deepEqual(next, { a: 20_000, b: 20_000, c: 20_000 })
})

test('a pipe that nobody reads holds up neither the writer nor closing', async () => {
  const target = join(dir, 'fifo')
  execFileSync('mkfifo', [target])
  const reader = openSync(target, constants.O_RDONLY | constants.O_NONBLOCK)
  const sink = new LineSink({ target, maxBufferedBytes: 200_000 })
  const line = `${'p'.repeat(199)}\n`
  let accepted = 0
  for (let i = 0; i < 5000; i++) if (sink.writeAscii(line)) accepted++
  assert.ok(accepted < 5000)
  assert.equal(sink.droppedLines, 5000 - accepted)
  const block = Buffer.alloc(1 << 20)
  // A pipe holds 64 KiB; what is in it came in whole lines.
  const read = readSync(reader, block)
  assert.ok(read > 0)
  assert.equal(read % line.length, 0)
  await sink.close(10)
  assert.equal(sink.bufferedBytes > 0, true)
})

test('standard output redirected to a file keeps the order with other prints', async () => {
  const target = join(dir, 'stdout.log')
  const script = `
    import { LineSink } from ${JSON.stringify(new URL('line-sink.ts', import.meta.url).href)}
    console.log('first')
    const sink = new LineSink({ target: 1 })
    sink.writeAscii('second\\n')
    await sink.flush()
    console.log('third')
    sink.writeAscii('fourth, written at exit\\n')
    process.exit(0)`
  const out = openSync(target, 'w')
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', out, 'inherit'],
  })
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('exit', resolve)
  assert.equal(await promise, 0)
  assert.equal(readFileSync(target, 'utf8'), 'first\nsecond\nthird\nfourth, written at exit\n')
})

test('a folder that cannot be made is an error at the start', () => {
  assert.throws(() => new LineSink({ target: '/dev/null/x/y.log' }), { code: 'ENOTDIR' })
})

test('a file that cannot be opened loses lines until it can be, and throws only when it must be open', async () => {
  const target = newFile()
  mkdirSync(target, { recursive: true })
  assert.throws(() => new LineSink({ target }), { code: 'EISDIR' })
  const errors: (string | undefined)[] = []
  let lost = 0
  const sink = new LineSink({
    target,
    mustOpen: false,
    onError: (error) => errors.push(error?.code),
    onDrop: (lines) => (lost += lines),
  })
  sink.writeAscii('lost\n')
  await sink.flush()
  sink.reopen()
  assert.equal(lost, 1)
  rmSync(target, { recursive: true })
  sink.writeAscii('kept\n')
  await sink.flush()
  assert.equal(readFileSync(target, 'latin1'), 'kept\n')
  assert.deepEqual(errors, ['EISDIR', 'EISDIR', undefined])
  await sink.close()
  // Never open, and closed.
  mkdirSync(`${target}.d`)
  const never = new LineSink({ target: `${target}.d`, mustOpen: false, onDrop: (lines) => (lost += lines) })
  never.writeAscii('lost\n')
  never.flushSync()
  never.reopen()
  await never.close()
})
