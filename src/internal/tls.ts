/** What node:tls does only over sockets of node:net, for a TLSSocket over one of ours. */
import { type Duplex } from 'node:stream'
import { type TLSSocket } from 'node:tls'

/**
 * Leaves the end of `socket` to the TLSSocket that was made over it, which has copied `allowHalfOpen` and ends accordingly. If the
 * socket ended itself at its peer's end, bytes that the TLSSocket still has to send would be lost.
 */
export function leaveEndToTls(socket: Duplex): void {
  socket.allowHalfOpen = true
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
