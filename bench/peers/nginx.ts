/** nginx as a peer, and the nginx that is everybody's backend. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, versionLine } from '../lab/programs.ts'
import { rulesByHost, type Peer, type PeerCommand, type PeerSetup } from './peer.ts'

export const nginx: Peer = {
  name: 'nginx',
  async locate() {
    const path = findProgram('nginx')
    return path === undefined ? { reason: 'no nginx; Debian package nginx-light' } : { path }
  },
  version: (program) => versionLine(program, ['-v']),
  prepare(program, setup) {
    return nginxCommand(program, setup.dir, setup.workers, proxyConfiguration(setup))
  },
}

function proxyConfiguration(setup: PeerSetup): string {
  const tls =
    setup.tls === undefined
      ? ''
      : `
  ssl_certificate ${setup.tls.certificate};
  ssl_certificate_key ${setup.tls.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;`
  const listen = `listen 127.0.0.1:${setup.port}${setup.tls === undefined ? '' : ' ssl'}`
  const servers = [...rulesByHost(setup.rules)].map(
    ([host, paths]) => `
  server {
    ${listen};
    server_name ${host};
${paths.map((path) => `    location = ${path} { proxy_pass http://apps; }\n    location ${path}/ { proxy_pass http://apps; }`).join('\n')}
    location / { return 404; }
  }`,
  )
  return `
  upstream apps {
    server 127.0.0.1:${setup.backendPort};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;${tls}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_max_temp_file_size 0;
  proxy_buffers 16 32k;
  server {
    ${listen} default_server backlog=4096;
    return 404;
  }
${servers.join('\n')}`
}

export const BODY_10K_BYTES = 10_240
export const BODY_1M_BYTES = 1_048_576
/** With its line end 73 bytes, what the ingress controllers' benchmarks commonly use. */
const SMALL_BODY = 'a small answer of the backend, of the length that benchmarks often have'

/** Answers every path with 73 bytes, `…/10k` and `…/1m` with 10,240 and 1,048,576. */
export function backendCommand(program: string, dir: string, port: number): PeerCommand {
  writeFileSync(join(dir, '10k'), 'k'.repeat(BODY_10K_BYTES))
  writeFileSync(join(dir, '1m'), 'm'.repeat(BODY_1M_BYTES))
  return nginxCommand(
    program,
    dir,
    1,
    `
  open_file_cache max=16;
  default_type text/plain;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 "${SMALL_BODY}\\n\\n"; }
    location = /app/10k { alias ${dir}/10k; }
    location = /app/1m { alias ${dir}/1m; }
  }`,
  )
}

function nginxCommand(program: string, dir: string, workers: number, http: string): PeerCommand {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${dir}/nginx.pid;
worker_processes ${workers};
worker_rlimit_nofile 20000;
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 3600;
  keepalive_requests 1000000000;
${temporary.map((name) => `  ${name}_temp_path ${dir}/${name};`).join('\n')}
${http}
}
`,
  )
  return { file: program, args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'] }
}
