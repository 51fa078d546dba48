/** CPU per full TLS handshake. */
import { shakeHands } from '../load/handshakes.ts'
import { BASELINE } from '../peers/list.ts'
import { interleave, TLS_RULE, type Scenario } from './bench.ts'

const TITLE = 'full TLS 1.3 handshakes, ECDSA P-256, one connection each, no resumption'

export const handshakes: Scenario = {
  id: 'handshakes',
  title: TITLE,
  async run(bench) {
    const notes: string[] = []
    const contestants = await bench.startAll({ rules: [TLS_RULE], isTls: true }, notes)
    const { seconds, warmUpSeconds } = bench.options
    for (const { started, setup } of contestants)
      await shakeHands(bench.lab, started, setup.port, TLS_RULE.host, warmUpSeconds)
    const rows = await interleave(bench, 'handshakes', contestants, notes, async ({ started, setup }) => ({
      ...(await shakeHands(bench.lab, started, setup.port, TLS_RULE.host, seconds)),
    }))
    await bench.stopAll(contestants)
    notes.push('Handshakes per second are those of the load generator, not what the proxy could reach.')
    return {
      id: 'handshakes',
      title: TITLE,
      columns: [
        { key: 'cpuMicros', title: 'CPU µs/handshake', digits: 0, compared: 'less' },
        { key: 'handshakesPerSecond', title: 'handshakes/s', digits: 0 },
      ],
      rows,
      baseline: BASELINE,
      notes,
    }
  },
}
