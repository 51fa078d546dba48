/**
 * Reads a schema as a flat list of options with dotted names, for whoever prints them: the reference pages and
 * `--help`.
 */
import { formatDuration } from './duration.ts'
import type { AnySchema } from './schema.ts'
import { formatSize } from './size.ts'

export interface OptionRow {
  /** `entryPoints.NAME.address`. */
  readonly name: string
  /** How a value is written: `DURATION`, `common|json`, `NAME`. */
  readonly value: string
  /** Text of the default, `''` when there is none. */
  readonly defaultText: string
  readonly description: string
  /** Must be given. */
  readonly isRequired: boolean
  /** Switches a group on; its options follow. */
  readonly isGroup: boolean
  readonly schema: AnySchema
}

/** Every option below a schema, in the order of declaration. */
export function walkOptions(schema: AnySchema, prefix = ''): readonly OptionRow[] {
  const shape = schema.shape
  const rows: OptionRow[] = []
  if (shape.kind === 'object') {
    if (shape.isGroup && prefix !== '' && schema.description !== '') rows.push(rowOf(schema, prefix))
    for (const [name, field] of Object.entries(shape.fields)) {
      rows.push(...walkOptions(field, prefix === '' ? name : `${prefix}.${name}`))
    }
  } else if (shape.kind === 'map') {
    // A map may be empty: no name of it has to be given.
    const below = walkOptions(describedLike(shape.value, schema), `${prefix}.${shape.keyName}`)
    const isPlain = shape.value.shape.kind !== 'object'
    rows.push(...(isPlain ? below.map((row) => ({ ...row, isRequired: false })) : below))
  } else {
    rows.push(rowOf(schema, prefix))
  }
  return rows
}

/** A map of plain values carries its description itself. */
function describedLike(value: AnySchema, outer: AnySchema): AnySchema {
  if (value.description !== '' || value.shape.kind === 'object') return value
  return value.describe(outer.description)
}

function rowOf(schema: AnySchema, name: string): OptionRow {
  return {
    name,
    value: valueText(schema),
    defaultText: defaultText(schema),
    description: schema.description,
    isRequired: !schema.isOptional && schema.defaultValue === undefined,
    isGroup: schema.shape.kind === 'object',
    schema,
  }
}

/** How a value of this schema is written. */
export function valueText(schema: AnySchema): string {
  if (schema.placeholder !== '') return schema.placeholder
  const shape = schema.shape
  switch (shape.kind) {
    case 'string':
      return shape.format?.toUpperCase() ?? 'TEXT'
    case 'integer':
    case 'number':
      return 'NUMBER'
    case 'boolean':
    case 'object':
      return 'BOOL'
    case 'duration':
      return 'DURATION'
    case 'size':
      return 'SIZE'
    case 'enum':
      return shape.values.join('|')
    case 'list':
      return `${valueText(shape.item)},…`
    case 'union':
      return shape.options.map(valueText).join('|')
    case 'map':
    case 'any':
      return 'VALUE'
    default:
      return shape satisfies never
  }
}

function defaultText(schema: AnySchema): string {
  const value = schema.defaultValue
  if (value === undefined) return ''
  const kind = schema.shape.kind
  if (typeof value === 'number' && kind === 'duration') return formatDuration(value)
  if (typeof value === 'number' && kind === 'size') return formatSize(value)
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? `${value}`
    : ''
}
