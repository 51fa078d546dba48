/** A short, fixed stretch of the fuzzer in every run of the suite; CI runs `tools/fuzz.ts` for a minute. */
import { it } from 'node:test'
import { Http1Fuzz } from './http1.ts'
import { Random } from './random.ts'

it('holds the invariants of the HTTP/1.1 codec for 6,000 mutated inputs', () => {
  const target = new Http1Fuzz()
  const random = new Random(20260101)
  for (let i = 0; i < 6000; i++) {
    try {
      target.run(random)
    } catch (error) {
      throw new Error(`execution ${i}\n${target.describe()}`, { cause: error })
    }
  }
})
