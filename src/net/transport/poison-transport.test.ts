import { NetTransport } from './net-transport.ts'
import { PoisonTransport } from './poison-transport.ts'
import { runTransportSuite } from './transport-suite.ts'

runTransportSuite('poison', (host) => new PoisonTransport(new NetTransport(host)), { isLate: true })
