/** What node:tls does only over sockets of node:net, for a TLSSocket over one of ours. */
import { type Duplex } from 'node:stream'
import { type TLSSocket } from 'node:tls'
import { carriesSession } from './http2.js'

const leftToTls = new WeakSet<Duplex>()

/**
 * Leaves the end of `socket` to the TLSSocket that was made over it, which has copied `allowHalfOpen` and ends accordingly. If the
 * socket ended itself at its peer's end, bytes that the TLSSocket still has to send would be lost.
 */
export function leaveEndToTls(socket: Duplex): void {
  socket.allowHalfOpen = true
  leftToTls.add(socket)
}

/**
 * Whether a TLSSocket over the socket ignores the failure. It answers the peer's end by an alert, close_notify, which a peer that has gone
 * does not take. Over Node's own sockets that is no error.
 * Source: OnStreamAfterWrite() in src/crypto/crypto_tls.cc.
 */
export function isIgnoredByTls(socket: Duplex, error: NodeJS.ErrnoException): boolean {
  return error.syscall === 'write' && socket.readableEnded && leftToTls.has(socket)
}

/**
 * Whether a TLSSocket runs over `socket`. Node gives it the bytes by a JSStreamSocket, which it also puts between a socket and a session of
 * node:http2.
 * Source: `ondata` in lib/internal/js_stream_socket.js.
 */
export function carriesTls(socket: Duplex): boolean {
  const isHanded = socket
    .listeners('data')
    .some(listener => listener.name === 'ondata' && String(listener).includes('readBuffer'))
  return isHanded && !carriesSession(socket)
}

/** Completes a TLS client over `socket`: its end, `connecting` and 'connect'. Source: TLSSocket's `_init`. */
export function completeTls(secure: TLSSocket, socket: Duplex & { readonly connecting: boolean }): void {
  leaveEndToTls(socket)
  if (!socket.connecting) return
  // In Node a plain property, but read-only in Node's types.
  const state: { connecting: boolean } = secure
  state.connecting = true
  socket.once('connect', () => {
    state.connecting = false
    secure.emit('connect')
  })
}
