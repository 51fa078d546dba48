/** Every case, in the order of docs/internals/attacks.md. */
import { BACKENDS } from './backends.ts'
import type { AttackCase } from './case.ts'
import { CHUNKS } from './chunks.ts'
import { FRAMING } from './framing.ts'
import { ROUTING } from './routing.ts'
import { SYNTAX } from './syntax.ts'

export const ATTACKS: readonly AttackCase[] = [...FRAMING, ...CHUNKS, ...SYNTAX, ...ROUTING, ...BACKENDS]
