import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ConfigProblem, type VolumeSpec } from '../pod.ts'
import { testPod } from '../pod.fixture.ts'
import { FileVolume, type Payload } from './file-volume.ts'
import { volumePayload } from './payload.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'file-volume-'))))
afterEach(() => rmSync(directory, { recursive: true }))

function payload(files: Readonly<Record<string, string>>, mode = 0o644): Payload {
  return new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]))
}

test('a volume is swapped as a whole', () => {
  const volume = new FileVolume(directory, undefined)
  assert.equal(volume.write(payload({ a: '1', 'deep/er/b': '2', 'deep/c': '3' })), true)
  const first = readlinkSync(join(directory, '..data'))
  assert.equal(readlinkSync(join(directory, 'deep')), '..data/deep')
  assert.equal(readFileSync(join(directory, 'deep/er/b'), 'utf8'), '2')
  assert.equal(volume.write(payload({ a: '1', 'deep/er/b': '2', 'deep/c': '3' })), false)
  assert.equal(readlinkSync(join(directory, '..data')), first)
  assert.equal(volume.write(payload({ a: '2', d: '4' })), true)
  assert.notEqual(readlinkSync(join(directory, '..data')), first)
  assert.deepEqual(
    readdirSync(directory)
      .filter((name) => !name.startsWith('..'))
      .sort(),
    ['a', 'd'],
  )
  assert.equal(readdirSync(directory).length, 4, 'the directory before is gone')
  assert.equal(readFileSync(join(directory, 'a'), 'utf8'), '2')
})

test('files have their mode, and with a group it may read them', () => {
  new FileVolume(join(directory, 'plain'), undefined).write(payload({ a: '1' }, 0o600))
  assert.equal(statSync(join(directory, 'plain/a')).mode & 0o777, 0o600)
  const group = process.getgid!()
  new FileVolume(join(directory, 'group'), group).write(payload({ a: '1' }, 0o600))
  assert.equal(statSync(join(directory, 'group/a')).mode & 0o777, 0o640)
})

for (const path of ['../a', '/a', 'a/../b', '', '..a', 'a//b'])
  test(`${JSON.stringify(path)} is no path of a volume`, () => {
    assert.throws(() => new FileVolume(directory, undefined).write(payload({ [path]: '' })), ConfigProblem)
  })

function content(volume: Omit<VolumeSpec, 'name'>): Record<string, string> | undefined {
  const files = volumePayload(
    { name: 'v', ...volume },
    {
      pod: testPod({}, { labels: { b: '2', a: '"1"' } }),
      where: { podAddresses: [], nodeAddresses: [], nodeName: 'n', allocatable: { cpu: '64' } },
      data: {
        configMap: (name) =>
          name === 'c'
            ? new Map([
                ['k', Buffer.from('v')],
                ['l', Buffer.from('w')],
              ])
            : undefined,
        secret: (name) => (name === 's' ? new Map([['k', Buffer.from('hidden')]]) : undefined),
      },
      token: ({ audience }) => `token for ${audience}`,
    },
  )
  if (files === undefined) return undefined
  return Object.fromEntries(
    [...files].map(([path, { data, mode }]) => [path, `${mode.toString(8)} ${data.toString()}`]),
  )
}

const CONTENTS: readonly (readonly [string, Omit<VolumeSpec, 'name'>, Record<string, string> | undefined])[] =
  [
    ['a ConfigMap', { configMap: { name: 'c', defaultMode: 0o400 } }, { k: '400 v', l: '400 w' }],
    [
      'items of a ConfigMap',
      { configMap: { name: 'c', items: [{ key: 'l', path: 'x/y', mode: 0o755 }] } },
      { 'x/y': '755 w' },
    ],
    ['a ConfigMap that may be missing', { configMap: { name: 'none', optional: true } }, {}],
    [
      'a key that may be missing',
      { secret: { secretName: 's', optional: true, items: [{ key: 'none', path: 'x' }] } },
      {},
    ],
    ['a Secret', { secret: { secretName: 's' } }, { k: '644 hidden' }],
    [
      'fields of the pod',
      {
        downwardAPI: {
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu' } },
          ],
        },
      },
      { labels: '644 a="\\"1\\""\nb="2"\n', cpu: '644 64' },
    ],
    [
      'a projection of several',
      {
        projected: {
          defaultMode: 0o444,
          sources: [
            { secret: { name: 's' } },
            { configMap: { name: 'c', items: [{ key: 'l', path: 'l' }] } },
            { serviceAccountToken: { path: 'token', audience: 'me' } },
          ],
        },
      },
      { k: '444 hidden', l: '444 w', token: '444 token for me' },
    ],
    ['another kind of volume', { emptyDir: {} }, undefined],
  ]

for (const [name, volume, expected] of CONTENTS)
  test(`content of ${name}`, () => assert.deepEqual(content(volume), expected))

test('what is missing and not optional is said', () => {
  assert.throws(() => content({ configMap: { name: 'none' } }), { message: 'configmap "none" not found' })
  assert.throws(() => content({ secret: { secretName: 's', items: [{ key: 'x', path: 'x' }] } }), {
    message: 'secret "s" has no key x',
  })
})
