/**
 * What is known of one finished request when its access-log line is written. The worker fills one record per
 * exchange (or reuses one) and hands it to `AccessLog.write`, which keeps no reference.
 *
 * Text is as it came on the wire (latin1): the log escapes and bounds it. `''`, `null` and -1 mean *not known* or
 * *did not happen*.
 */

/** A message head to look fields up in; `Fields` of an exchange is one. */
export interface LoggedFields {
  get(name: string): string | undefined
  forEach(visit: (name: string, value: string) => void): void
}

export class AccessRecord {
  /** ms since epoch, wall clock. */
  startedAt = 0
  /** Milliseconds with fractions, from the first byte of the request to the last of the response. */
  durationMs = 0
  /** Milliseconds until the server's response was complete; -1 when no server was asked. */
  originDurationMs = -1
  /** Address of the client after PROXY protocol and trusted forwarding headers. */
  clientHost = ''
  /** Address and port of the peer of the connection. */
  clientAddress = ''
  clientPort = 0
  /** User of an authentication middleware; `''` is shown as `-`. */
  clientUsername = ''
  entryPoint = ''
  method = ''
  /** Target as sent, with its query. */
  path = ''
  /** `HTTP/1.1`. */
  protocol = ''
  scheme = ''
  /** Host header as sent, with its port. */
  host = ''
  /** Sent to the client; 499 when it went away before. */
  status = 0
  /** Received from the server; 0 when there was none. */
  originStatus = 0
  /** Bytes of body: of the request, from the server, to the client. */
  requestBytes = 0
  originBytes = -1
  responseBytes = 0
  /** Number of this request since the process started. */
  requestCount = 0
  retryAttempts = 0
  router = ''
  service = ''
  /** `http://10.0.0.1:8080` and `10.0.0.1:8080`. */
  serverUrl = ''
  serverAddress = ''
  requestId = ''
  /** `TLSv1.3`, the cipher's name, subject of the verified client certificate. */
  tlsVersion = ''
  tlsCipher = ''
  tlsClientSubject = ''
  kubernetesNamespace = ''
  kubernetesIngress = ''
  kubernetesService = ''
  kubernetesServicePort = ''
  requestHeaders: LoggedFields | null = null
  originHeaders: LoggedFields | null = null
  downstreamHeaders: LoggedFields | null = null

  /** Back to a new record's values, for reuse. */
  reset(): void {
    this.startedAt = 0
    this.durationMs = 0
    this.originDurationMs = -1
    this.clientHost = ''
    this.clientAddress = ''
    this.clientPort = 0
    this.clientUsername = ''
    this.entryPoint = ''
    this.method = ''
    this.path = ''
    this.protocol = ''
    this.scheme = ''
    this.host = ''
    this.status = 0
    this.originStatus = 0
    this.requestBytes = 0
    this.originBytes = -1
    this.responseBytes = 0
    this.requestCount = 0
    this.retryAttempts = 0
    this.router = ''
    this.service = ''
    this.serverUrl = ''
    this.serverAddress = ''
    this.requestId = ''
    this.tlsVersion = ''
    this.tlsCipher = ''
    this.tlsClientSubject = ''
    this.kubernetesNamespace = ''
    this.kubernetesIngress = ''
    this.kubernetesService = ''
    this.kubernetesServicePort = ''
    this.requestHeaders = null
    this.originHeaders = null
    this.downstreamHeaders = null
  }
}
