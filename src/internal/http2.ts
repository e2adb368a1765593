/** What node:http2 requires of the socket below a session. */

/**
 * Whether a session of node:http2 runs over the socket. Such a session may write once more between the half-close of the socket and its
 * 'finish', and an assertion in Node's JSStreamSocket then ends the process. Therefore 'finish' must not wait for the event loop.
 *
 * Node 20 to 26 import the symbol kBoundSession from a module that does not export it, so the property's name is 'undefined'.
 * Source: `socket[kBoundSession] = this` in lib/internal/http2/core.js, doWrite() in lib/internal/js_stream_socket.js.
 */
export function carriesSession(socket: object): boolean {
  if (!mayHaveSessions()) return false
  const symbol = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'kBoundSession',
  )
  return (socket as Record<PropertyKey, unknown>)[symbol ?? 'undefined'] !== undefined
}

/**
 * Whether a session of node:http2 over the socket ignores the failure. Over Node's own sockets a write that fails is no error to a session,
 * which notices its peer's end when it reads. As an error of the socket it would be one of every stream, and a client that destroys its session
 * could end the server's process.
 * Source: SendPendingData() and ClearOutgoing() in src/node_http2.cc.
 */
export function isIgnoredBySession(socket: object, error: NodeJS.ErrnoException): boolean {
  return error.syscall === 'write' && carriesSession(socket)
}

/** The modules that Node has loaded: a list that grows. Undocumented, and other runtimes have none. */
const { moduleLoadList } = process as { readonly moduleLoadList?: readonly string[] }
let looked = 0
let found = moduleLoadList === undefined || moduleLoadList.length === 0

/** Whether node:http2 may be loaded. Looking at a socket's symbols costs a tenth of what ending it costs otherwise. */
function mayHaveSessions(): boolean {
  if (found || moduleLoadList!.length === looked) return found
  looked = moduleLoadList!.length
  return (found = moduleLoadList!.includes('NativeModule http2'))
}
