/** Envoy as a peer; its configuration is JSON, which its YAML reader takes too. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchEnvoy, versionLine } from '../lab/programs.ts'
import { rulesByHost, type Peer, type PeerSetup } from './peer.ts'

const EXTENSIONS = 'type.googleapis.com/envoy.extensions'

export const envoy: Peer = {
  name: 'Envoy',
  locate: fetchEnvoy,
  async version(program) {
    // "…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
    const [, release] = (await versionLine(program, ['--version'])).split('/').slice(-4)
    return `envoy ${/\d+\.\d+\.\d+/.exec(await versionLine(program, ['--version']))?.[0] ?? release ?? ''}`
  },
  prepare(program, setup) {
    const file = join(setup.dir, 'envoy.json')
    writeFileSync(file, JSON.stringify(configuration(setup)))
    const args = ['-c', file, '--concurrency', String(setup.workers), '--disable-hot-restart']
    return { file: program, args: [...args, '--log-level', 'error'] }
  },
}

function configuration(setup: PeerSetup): unknown {
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'web',
    codec_type: 'HTTP1',
    use_remote_address: true,
    generate_request_id: false,
    common_http_protocol_options: { idle_timeout: '3600s' },
    route_config: {
      virtual_hosts: [...rulesByHost(setup.rules)].map(([host, paths]) => ({
        name: host,
        // The second form is what a client sends for a port that is not the default one.
        domains: [host, `${host}:*`],
        routes: paths.map((path) => ({
          match: { path_separated_prefix: path },
          route: { cluster: 'apps', timeout: '0s' },
        })),
      })),
      request_headers_to_add: [
        {
          header: { key: 'x-real-ip', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' },
          append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` },
      },
    ],
  }
  const tls =
    setup.tls === undefined
      ? {}
      : {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`,
              common_tls_context: {
                tls_certificates: [
                  {
                    certificate_chain: { filename: setup.tls.certificate },
                    private_key: { filename: setup.tls.key },
                  },
                ],
              },
            },
          },
        }
  return {
    static_resources: {
      listeners: [
        {
          name: 'web',
          address: socketAddress(setup.port),
          filter_chains: [
            {
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
              ...tls,
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'apps',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: {
            thresholds: [{ max_connections: 4096, max_pending_requests: 8192, max_requests: 8192 }],
          },
          load_assignment: {
            cluster_name: 'apps',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(setup.backendPort) } }] }],
          },
        },
      ],
    },
  }
}

function socketAddress(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
